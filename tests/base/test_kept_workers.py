"""Workers are shared from one opening to the next, and not after they failed."""

from functools import partial

import light_jobs
import pytest

from incmask.base.errors import IncmaskError
from incmask.base.kept_workers import kept_workers
from incmask.base.local_pool import LocalPool
from incmask.base.pool import HerePool
from incmask.base.progress import ignore


class Recorded(HerePool):
    """Says when it ends."""

    def __init__(self, ended, num_workers=1, **kwargs):
        super().__init__(num_workers, **kwargs)
        self.ended = ended

    def close(self):
        self.ended.append(self.num_workers)


def test_as_many_workers_or_fewer_are_those_that_are_there():
    ended = []
    with kept_workers(partial(Recorded, ended)) as open_pool:
        with open_pool(2) as first, open_pool(1) as second:
            assert first.num_workers == second.num_workers == 2
        assert ended == []
        with open_pool(3) as more:
            assert more.num_workers == 3
        assert ended == [2]
        with open_pool(1, networks=False) as light:
            assert light.num_workers == 1
    assert sorted(ended) == [1, 2, 3]


def test_workers_that_failed_are_not_lent_again():
    ended = []
    with kept_workers(partial(Recorded, ended)) as open_pool:
        with pytest.raises(IncmaskError), open_pool(2):
            raise IncmaskError([])
        assert ended == [2]
        with open_pool(1) as fresh:
            assert fresh.num_workers == 1
    assert ended == [2, 1]


def test_processes_serve_one_use_after_the_other_and_not_after_one_was_killed():
    with kept_workers(LocalPool) as open_pool:
        with open_pool(1, networks=False) as pool:
            assert dict(pool.run(light_jobs.square, [2], ignore)) == {2: 4}
        with open_pool(1, networks=False) as pool:
            assert dict(pool.run(light_jobs.square, [3], ignore)) == {3: 9}
        with pytest.raises(IncmaskError, match="killed"), open_pool(1, networks=False) as pool:
            list(pool.run(light_jobs.kill_itself, [1], ignore))
        with open_pool(1, networks=False) as pool:
            assert dict(pool.run(light_jobs.square, [4], ignore)) == {4: 16}
