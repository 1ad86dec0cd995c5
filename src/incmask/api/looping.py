"""The labelling loop: train, rank, label, and once more; with people, or simulated with masks that are known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from incmask.api.listening import AnyPath, listening
from incmask.api.training import train
from incmask.base.caller import either, option
from incmask.base.choosing import read_config
from incmask.base.config import Effort
from incmask.base.errors import fail
from incmask.base.progress import Progress
from incmask.base.validation import choose
from incmask.base.words import ShortRepr, counted
from incmask.data.folder.oracle import with_oracle
from incmask.data.rounds import current_round, read_rounds, run_folder
from incmask.data.storage import refuse_url
from incmask.exchange.correcting.desk import FORMAT, Desk, open_desk
from incmask.exchange.corrections.take_back import import_labels
from incmask.experiment.choices import data_options, resolve
from incmask.experiment.consent import Agreed, everybody, nobody
from incmask.experiment.executor import Executor
from incmask.experiment.named import AUTO_TIME, Choices
from incmask.experiment.paths import RANKING
from incmask.experiment.record.run import read_record
from incmask.experiment.warm_start import RoundScore, round_scores
from incmask.insight.ranking.orders import ORDERS, RANDOM, RANKED, OrderName
from incmask.insight.ranking.rank import write_ranking
from incmask.insight.ranking.simulate import shares_of, simulate
from incmask.insight.ranking.simulation import Simulation
from incmask.method.labels import check_classes
from incmask.method.recipes import RecipeName


@dataclass(frozen=True, repr=False)
class LoopState(ShortRepr):
    """Where the loop of a data folder stands.

    Attributes:
        run: the run of this round.
        scores: what each round reached on validation.
        score_name: of these.
        names: the images to label next; none where the budget is spent.
        num_corrected: of these, images that are corrected beside the run and not added yet.
        num_left: labels of the budget that are left.
    """

    run: Path
    scores: tuple[RoundScore, ...]
    score_name: str
    names: tuple[str, ...]
    num_corrected: int
    num_left: int

    @property
    def next_steps(self) -> tuple[str, ...]:
        """Say what a person does next, a line each."""
        num = len(self.names)
        if not num:
            return ("the budget is spent" if self.num_left <= 0 else "all rounds are done",)
        page = either(f"`incmask correct {self.run} --top {num}`", f'`incmask.correct("{self.run}", top={num})`')
        tool = either(
            f"`incmask export {self.run} --to labelme --top {num} -o FIX`, and `incmask import` after that",
            f'`incmask.export("{self.run}", "FIX", format="labelme", top={num})`, and `incmask.import_labels`',
        )
        done = f" ({self.num_corrected} corrected so far)" if self.num_corrected else ""
        return (
            f"label the first {counted(num, 'image')} of {self.run / RANKING}{done}",
            f"in the browser: {page}; or with another tool: {tool}",
            "then the same once more: it adds what was corrected in the browser, and goes on",
        )


@overload
def loop(
    data: AnyPath,
    *,
    budget: int,
    num_rounds: int = 5,
    oracle: None = None,
    order: OrderName = "ranked",
    recipe: RecipeName | str | None = None,
    effort: Effort | None = None,
    time: str | None = AUTO_TIME,
    settings: dict[str, object] | None = None,
    yes: bool = False,
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> LoopState: ...
@overload
def loop(
    data: AnyPath,
    *,
    budget: int,
    num_rounds: int = 5,
    oracle: AnyPath,
    order: OrderName | Sequence[OrderName] = ("ranked", "random"),
    num_start: int | None = None,
    num_seeds: int = 5,
    out: AnyPath | None = None,
    recipe: RecipeName | str | None = None,
    effort: Effort | None = None,
    settings: dict[str, object] | None = None,
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> Simulation: ...
def loop(
    data: AnyPath,
    *,
    budget: int,
    num_rounds: int = 5,
    oracle: AnyPath | None = None,
    order: str | Sequence[str] | None = None,
    num_start: int | None = None,
    num_seeds: int | None = None,
    out: AnyPath | None = None,
    recipe: str | None = None,
    effort: str | None = None,
    time: str | None = AUTO_TIME,
    settings: dict[str, object] | None = None,
    yes: bool = False,
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> LoopState | Simulation:
    """Train, rank, label, and once more, as ``incmask loop`` does.

    Without an oracle it trains, ranks and says which images a person is to label; called again, it adds what was
    corrected beside the run, and goes on with the next round. With one, all rounds are simulated in several orders
    with several seeds; each training begins anew, with as many steps.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``.
        budget: images to label in all.
        num_rounds: in how many shares.
        oracle: folder of the true masks of unlabelled images, as they lie in the masks folder of the labelled ones;
            None: a person labels.
        order: in which images are labelled, as for ``rank``; with an oracle one or several, which are compared, by
            default "ranked" and "random".
        num_start: with an oracle: labelled images to start with, which each seed draws anew; default: all of them.
        num_seeds: with an oracle: how often all is repeated; default 5.
        out: with an oracle: folder of the simulation; default: DATA with ``-loop`` behind its name.
        recipe: as for ``run``.
        effort: as for ``run``; with an oracle "quick" where nothing else says how much is trained.
        time: without an oracle: as for ``run``, of each round.
        settings: as for ``run``.
        yes: without an oracle: as for ``run``.
        progress: True shows lines and a bar, here or in the notebook; or a listener.
        executor: where the work is done; default: in processes of this machine.

    Returns:
        Where the loop stands, with its ``next_steps``; or what was simulated, with ``rows`` and ``difference``.

    Raises:
        IncmaskError: the data, a choice or a folder is wrong.

    Examples:
        >>> state = incmask.loop("mydata", budget=50)  # doctest: +SKIP
        >>> state.next_steps  # doctest: +SKIP
    """
    orders = (order,) if isinstance(order, str) else tuple(order or ())
    for name, number in (("budget", budget), ("rounds", num_rounds)):
        if number < 1:
            raise fail(option(name), f"got {number}, expected 1 or more", f"use {option(name, 5)}")
    for each in filter(None, (data, oracle, out)):
        refuse_url(each, "the labelling loop reads and writes")
    if (task := data_options(Path(data), read_config(Path(data)), None).task) is not None:
        check_classes(task, "the labelling loop")
    executor = executor or Executor()
    with listening(progress) as listener:
        if oracle is not None:
            if time not in (AUTO_TIME, None):
                raise fail(option("time", time), "is for labelling by people", f"use {option('effort')}")
            choices = Choices(recipe, effort=effort or (None if settings else "quick"), settings=settings)
            return simulate_loop(
                Path(data),
                Path(out) if out else run_folder(Path(data), ending="loop"),
                oracle=Path(oracle),
                budget=budget,
                num_rounds=num_rounds,
                orders=orders or (RANKED, RANDOM),
                num_start=num_start,
                num_seeds=num_seeds or 5,
                choices=choices,
                executor=executor,
                progress=listener,
            )
        for name, given in (("start", num_start), ("seeds", num_seeds), ("out", out)):
            if given is not None:
                raise fail(option(name), f"is for a simulation with {option('oracle')} alone", "leave it out")
        if len(orders) > 1:
            raise fail(option("order"), "names several, of which a person labels in one", "name one")
        choices = Choices(recipe, effort=effort, time=time, settings=settings)
        return go_on(
            Path(data),
            budget=budget,
            num_rounds=num_rounds,
            order=orders[0] if orders else RANKED,
            choices=choices,
            agreed=everybody if yes else nobody,
            executor=executor,
            progress=listener,
        )


def simulate_loop(
    data: Path,
    out: Path,
    *,
    oracle: Path,
    budget: int,
    num_rounds: int,
    orders: Sequence[str],
    num_start: int | None,
    num_seeds: int,
    choices: Choices,
    executor: Executor,
    progress: Progress,
) -> Simulation:
    """Simulate the loop with masks that are known; the arguments are those of ``loop``."""
    chosen = resolve(data, choices)
    # Rounds were labelled after models that saw what is hidden here.
    chosen = replace(chosen, dataset=with_oracle(chosen.dataset, oracle), rounds=())
    return simulate(
        chosen,
        out,
        executor=executor,
        pool="unlabelled",
        orders=orders,
        num_rounds=num_rounds,
        num_seeds=num_seeds,
        num_start=num_start,
        budget=budget,
        progress=progress,
    )


def go_on(
    data: Path,
    *,
    budget: int,
    num_rounds: int,
    order: str,
    choices: Choices,
    agreed: Agreed,
    executor: Executor,
    progress: Progress,
) -> LoopState:
    """Add what was corrected, train, rank, and say what to label; the arguments are those of ``loop``."""
    choose(dict.fromkeys(ORDERS), order, option=option("order"))
    shares = shares_of(budget, num_rounds)
    _take_back(data, shares, progress)
    run = run_folder(data)
    train(
        data,
        run,
        choices=choices,
        best_of=None,
        fresh=False,
        report=True,
        agreed=agreed,
        executor=executor,
        progress=progress,
    )
    record = read_record(run)
    num_left = budget - _num_labelled(data)
    state = LoopState(run, round_scores(record), record.scoring.full_name, (), 0, num_left)
    if not _share(data, shares):
        return state
    if order != RANKED or not (run / RANKING).exists():
        write_ranking(run, open_pool=executor.open_pool, order=order, progress=progress)
    desk = _desk(data, shares)
    names = tuple(image.name for image in desk.images)
    return replace(state, names=names, num_corrected=len(desk.corrected().names))


def _num_labelled(data: Path) -> int:
    return sum(len(each.names) for each in read_rounds(data))


def _share(data: Path, shares: Sequence[int]) -> int:
    """Give how many images are labelled in the round that the data are in; 0 where the loop has ended."""
    number = current_round(data)
    return max(0, min(shares[number - 1], sum(shares) - _num_labelled(data))) if number <= len(shares) else 0


def _desk(data: Path, shares: Sequence[int]) -> Desk:
    return open_desk(run_folder(data), top=_share(data, shares))


def _take_back(data: Path, shares: Sequence[int], progress: Progress) -> None:
    """Add the corrections beside the run of this round to the data, where all of its share are there."""
    if not _share(data, shares) or not (run_folder(data) / RANKING).exists():
        return
    desk = _desk(data, shares)
    done = desk.corrected()
    if len(done.names) == len(desk.images):
        import_labels(done.run, done.out, target=FORMAT, unchanged="confirm", progress=progress)
        progress.say(f"{counted(len(done.names), 'corrected image')} added to the labelled ones")
