"""The page to correct in, without a browser: who may ask, what is saved, and that import reads it as it was painted."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from test_correction_loop import labels_of

from exchange import expected, make_loop, write_ranking
from finished_runs import EVIL
from incmask.base.errors import IncmaskError
from incmask.data.dataset import ClassInfo, Scheme
from incmask.exchange.correcting import desk as desks
from incmask.exchange.correcting import server as servers
from incmask.exchange.correcting.desk import open_desk
from incmask.exchange.correcting.page import page
from incmask.exchange.correcting.planes import Planes
from incmask.exchange.correcting.server import CorrectionServer, serve
from incmask.exchange.corrections.take_back import import_labels
from incmask.experiment.record.images import PredictedMask
from incmask.experiment.record.run import read_record

TASKS = ["binary", "multiclass", "multilabel"]
BYTES = "application/octet-stream"


@contextmanager
def served(desk):
    """Serve a desk in a thread."""
    with CorrectionServer(desk) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server, path, *, method="GET", body=None, token=None, **headers):
    """Give status, headers and content of an answer; a header that is None is not sent."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    sent = {"Host": f"127.0.0.1:{server.server_port}"}
    if method == "POST":
        length = len(body or b"")
        sent |= {"Origin": f"http://{sent['Host']}", "Content-Type": BYTES, "Content-Length": str(length)}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, f"/{server.token if token is None else token}/{path}", skip_host=True)
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def raw(server, request):
    """Give the answer to bytes that need not be a request, after which nothing comes."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return answer.read()


def place_of(desk, name):
    return [image.name for image in desk.images].index(name)


def painted(pseudo, task, *, seed):
    """Give a label of random values, and random unsure pixels."""
    generator, shape = np.random.default_rng(seed), pseudo.label.shape
    label = generator.integers(0, 3 if task == "multiclass" else 2, shape, dtype=np.uint8)
    return label, generator.random(shape[:2]) < 0.2


def same(first, second):
    """Tell whether two masks agree at every pixel."""
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("label", "inconsistent"))


def as_bytes(label, unsure):
    """Put planes behind each other, by hand."""
    layers = [label] if label.ndim == 2 else [label[..., index] for index in range(label.shape[2])]
    return b"".join(np.ascontiguousarray(each, np.uint8).tobytes() for each in (*layers, unsure))


@pytest.mark.parametrize("task", TASKS)
def test_what_is_painted_comes_into_the_data_to_the_pixel(task, tmp_path):
    data, run, pseudo = make_loop(tmp_path, task)
    write_ranking(run, ["x.2", "slide/x.1", "x.0"])
    desk = open_desk(run, top=2)
    assert [image.name for image in desk.images] == ["x.2", "slide/x.1"]
    label, unsure = painted(pseudo["x.2"], task, seed=1)
    with served(desk) as server:
        for path in ("label/0", "models/0"):
            status, _, content = ask(server, path)
            assert (status, content) == (200, as_bytes(pseudo["x.2"].label, pseudo["x.2"].inconsistent))
        assert ask(server, "label/0", method="POST", body=as_bytes(label, unsure))[0] == 200
        assert ask(server, "label/0")[2] == as_bytes(label, unsure)
        assert ask(server, "models/0")[2] == content
        agreed = ask(server, "label/1")[2]
        assert ask(server, "label/1", method="POST", body=agreed)[0] == 200
    done = desk.corrected()
    assert (done.out, done.names) == (tmp_path / "data-run-corrections", ("x.2", "slide/x.1"))
    assert 'unchanged="confirm"' in done.next_step

    added = import_labels(run, done.out, target="png", unchanged="confirm")
    assert {*added.round.names} == {"x.2", "slide/x.1"}
    after, wanted = labels_of(data), label.copy()
    wanted[unsure] = 255
    np.testing.assert_array_equal(after["round-2/x.2"], wanted)
    np.testing.assert_array_equal(after["round-2/slide/x.1"], expected(pseudo["slide/x.1"]))


def test_what_is_saved_is_there_when_the_page_is_opened_again(tmp_path):
    _data, run, pseudo = make_loop(tmp_path, "multilabel")
    desk = open_desk(run, out=tmp_path / "mine")
    place = place_of(desk, "x.0")
    label, unsure = painted(pseudo["x.0"], "multilabel", seed=2)
    desk.save(place, PredictedMask(label, unsure))
    again = open_desk(run, out=tmp_path / "mine")
    assert same(again.mask(place), PredictedMask(label, unsure))
    assert facts_of(again)["images"][place]["saved"]
    assert sum(image["saved"] for image in facts_of(again)["images"]) == 1
    assert again.corrected().names == ("x.0",)
    again.save(place, PredictedMask(1 - label, ~unsure))
    assert same(desk.mask(place), PredictedMask(1 - label, ~unsure))
    assert len(list((tmp_path / "mine").glob("*.zip"))) == 1


def facts_of(desk):
    """Read what the page is told, as a browser would."""
    text = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page(desk).decode(), re.S)[1]
    return json.loads(text)


def test_a_round_that_was_added_leaves_the_desk_and_the_next_lies_elsewhere(tmp_path):
    data, run, _pseudo = make_loop(tmp_path)
    desk = open_desk(run)
    assert open_desk(run).corrected().next_step == ""
    for index in range(2):
        desk.save(index, desk.models_mask(index))
    saved = desk.corrected()
    import_labels(run, saved.out, target="png", unchanged="confirm")
    following = open_desk(run)
    assert [image.name for image in following.images] == [desk.images[2].name]
    assert following.corrected().out == tmp_path / "data-run-corrections-2"
    following.save(0, following.models_mask(0))
    import_labels(run, following.corrected().out, target="png", unchanged="confirm")
    assert len([name for name in labels_of(data) if name.startswith("round-")]) == 3
    with pytest.raises(IncmaskError, match="has no image left to correct here: 3 images are labelled by now"):
        open_desk(run)


def test_an_image_is_saved_whole_or_not_at_all(tmp_path, monkeypatch):
    _data, run, pseudo = make_loop(tmp_path, "multilabel")
    desk = open_desk(run)
    name = desk.images[0].name
    first, second = (PredictedMask(*painted(pseudo[name], "multilabel", seed=seed)) for seed in (3, 4))
    desk.save(0, first)

    def killed(*paths):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.save(0, second)
    assert same(desk.mask(0), first)
    assert {path.suffix for path in desk.corrected().out.iterdir()} == {".zip", ".txt", ""}
    assert import_labels(run, desk.corrected().out, target="png").round.names == (name,)


def test_who_may_ask(tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    desk = open_desk(run)
    body = desk.planes.pack(desk.models_mask(0))
    with served(desk) as server:
        assert server.server_address[0] == "127.0.0.1"
        port, evil = server.server_port, "http://evil.example"
        assert ask(server, "")[0] == 200
        assert ask(server, "", Host=f"localhost:{port}")[0] == 200
        for host in (f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}.evil.example", None):
            assert ask(server, "", Host=host)[0] == 421
        for token in ("", "x", server.token[:-1], f"{server.token}x", "%C3%A9"):
            assert ask(server, "", token=token)[0] == 403
            assert ask(server, "label/0", token=token)[0] == 403
        for origin in (evil, "null", None, f"http://127.0.0.1:{port + 1}", f"https://127.0.0.1:{port}"):
            assert ask(server, "label/0", method="POST", body=body, Origin=origin)[0] == 403
            assert ask(server, "finish", method="POST", Origin=origin)[0] == 403
        assert ask(server, "label/0", method="PUT", body=body, Content_Length=str(len(body)))[0] == 501
        assert raw(server, b"GET /\xe9/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port).startswith(b"HTTP/1.1 403 ")
        with CorrectionServer(desk) as other:
            assert other.token != server.token
    assert desk.corrected().names == ()


@pytest.mark.parametrize(
    "path",
    [
        *("label/3", "label/-1", "label/00", "label/0/", "label/", "label", "label/1.0", "label/%D9%A3", "label/0?x"),
        *("/", "masks/0", "image/../0", "../data.json", "..%2fdata.json", "label/999999999999", "finish"),
    ],
)
def test_nothing_but_the_images_of_the_desk_is_there(path, tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    with served(open_desk(run)) as server:
        status, _, content = ask(server, path)
        assert (status, content) == (404, b"there is no such image")


def test_damaged_masks_are_refused_and_nothing_is_written(tmp_path):
    _data, run, _pseudo = make_loop(tmp_path, "multiclass")
    desk = open_desk(run)
    body = desk.planes.pack(desk.models_mask(0))
    half = len(body) // 2

    def refused(body, **headers):
        with served(desk) as server:
            status, _, content = ask(server, "label/0", method="POST", body=body, **headers)
        assert desk.corrected().names == ()
        assert not desk.corrected().out.exists()
        return status, content.decode()

    assert refused(body[:-1]) == (400, f"the mask has {len(body) - 1} bytes where {len(body)} belong")
    assert refused(b"")[0] == 400
    # What is too long is not even read.
    assert refused(b"", Content_Length="99999999999")[0] == 413
    for length in (None, "-1", "x", "1" * 30):
        assert refused(b"", Content_Length=length)[0] == 411
    assert refused(b"", Transfer_Encoding="chunked")[0] == 411
    assert refused(body, Content_Type="text/plain")[0] == 415
    status, told = refused(bytes([3]) + body[1:])
    assert status == 422
    assert "holds 3 where 0 to 2 belong; paint with the classes alone" in told
    assert "holds 2 where 0 to 1 belong" in refused(body[:half] + bytes([2]) + body[half + 1 :])[1]
    assert "holds 255" in refused(b"\xff" * len(body))[1]


def test_a_mask_that_breaks_off_is_not_written(tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    desk = open_desk(run)
    body = desk.planes.pack(desk.models_mask(0))
    with served(desk) as server:
        host = f"127.0.0.1:{server.server_port}"
        head = f"POST /{server.token}/label/0 HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
        head += f"Content-Type: {BYTES}\r\nContent-Length: {len(body)}\r\n\r\n"
        assert raw(server, head.encode() + body[:-5]).startswith(b"HTTP/1.1 400 ")
        assert ask(server, "")[0] == 200
    assert desk.corrected().names == ()


def test_nothing_of_an_answer_leads_elsewhere_or_is_run(tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    write_ranking(run, ["x.0"])
    path = run / "ranking.csv"
    path.write_text(path.read_text().replace("because", '"</script><script>alert(1)</script>&amp;"'))
    desk = open_desk(run)
    with served(desk) as server:
        _, headers, content = ask(server, "")
        image = ask(server, "image/0")
    text = content.decode()
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert not re.search(r"(src|href)=\"(?!data:,)", text)
    assert facts_of(desk)["images"][0]["reason"] == "</script><script>alert(1)</script>&amp;"
    assert (image[0], image[1]["Content-Type"], image[1]["X-Content-Type-Options"]) == (200, "image/png", "nosniff")
    assert image[2] == desk.images[0].path.read_bytes()


def test_names_of_images_are_no_paths_in_what_is_saved(tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    images = tuple(replace(open_desk(run).images[0], name=name) for name in (EVIL, "a/b", "a_b"))
    desk = desks.Desk(read_record(run), tmp_path / "out", images, ())
    for index in range(3):
        size = images[index].size
        desk.save(index, PredictedMask(np.zeros(size, np.uint8), np.zeros(size, bool)))
    paths = [path.name for path in (tmp_path / "out").glob("*.zip")]
    assert len(paths) == 3
    assert all(re.fullmatch(r"[\w.-]+\.zip", name) for name in paths)


def test_damage_of_what_was_saved_is_told(tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    desk = open_desk(run)
    desk.save(0, desk.models_mask(0))
    (path,) = desk.corrected().out.glob("*.zip")
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], whole[:60] + bytes(40) + whole[100:]):
        path.write_bytes(content)
        with served(desk) as server:
            status, _, told = ask(server, "label/0")
        assert status == 422
        assert path.name in told.decode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("masks/x.png", bytes(4 << 20))
    with pytest.raises(IncmaskError, match="holds more than masks of this image"):
        desk.mask(0)
    path.unlink()
    (run / "masks" / f"{desk.images[0].name}.png").unlink()
    with served(desk) as server:
        assert ask(server, "label/0")[0] == 422


def test_why_nothing_is_corrected(tmp_path):
    data, run, _pseudo = make_loop(tmp_path)
    with pytest.raises(IncmaskError, match="at least one image is expected"):
        open_desk(run, top=0)
    with pytest.raises(IncmaskError, match="looks like a file"):
        open_desk(run, out=tmp_path / "out.png")
    desk = open_desk(run, most_bytes=24 * 20 * 2)
    assert [image.name for image in desk.images] == ["x.0"]
    assert "2 images too large to paint in a page left out" in desk.corrected().notes[-1]
    with pytest.raises(IncmaskError, match="has no image left to correct here"):
        open_desk(run, most_bytes=10)
    with CorrectionServer(desk) as server, pytest.raises(IncmaskError, match=f"port={server.server_port}: cannot be"):
        CorrectionServer(desk, server.server_port)
    (data / "unlabelled" / "x.0.png").unlink()
    with pytest.raises(IncmaskError, match="is gone; bring it back"):
        open_desk(run)


def test_planes_hold_what_a_class_is():
    """Of a label with every id that there is."""
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4)
    planes = Planes(Scheme("multiclass", tuple(ClassInfo(f"{index}", (0, 0, index), index) for index in range(12))))
    content = planes.pack(PredictedMask(ids, ids == 5))
    assert content == bytes(range(12)) + bytes(5) + b"\1" + bytes(6)
    assert same(planes.unpack(content, (3, 4)), PredictedMask(ids, ids == 5))


def test_planes_of_another_shape_or_below_0_are_no_mask():
    planes = Planes(Scheme("binary", (ClassInfo("cell", (0, 0, 0), 255),)))
    for wrong in (np.zeros((2, 4, 3)), np.zeros((3, 3, 4)), np.zeros((3, 4))):
        with pytest.raises(IncmaskError, match=r"has the shape .* where \(2, 3, 4\) belongs"):
            planes.join(wrong, (3, 4))
    with pytest.raises(IncmaskError, match="holds -1 where 0 to 1 belong"):
        planes.join(np.full((2, 3, 4), -1), (3, 4))


def test_finish_ends_the_server_and_tells_what_is_next(tmp_path, monkeypatch):
    _data, run, _pseudo = make_loop(tmp_path)
    desk, opened, answers = open_desk(run), [], []
    desk.save(0, desk.models_mask(0))

    def open_page(address):
        opened.append(address)

        def finish():
            host, _, token = address.removeprefix("http://").rstrip("/").partition("/")
            connection = http.client.HTTPConnection(host, timeout=20)
            connection.request("POST", f"/{token}/finish", headers={"Origin": f"http://{host}", "Content-Length": "0"})
            answers.append(connection.getresponse().read().decode())
            connection.close()

        threading.Thread(target=finish).start()

    monkeypatch.setattr(servers, "_has_window", lambda: True)
    monkeypatch.setattr(servers.webbrowser, "open", open_page)
    said = []
    done = serve(desk, port=0, open_browser=True, say=said.append)
    assert opened[0] in said[0]
    while not answers:
        time.sleep(0.01)
    assert answers == [done.next_step]


@pytest.mark.slow
def test_ctrl_c_ends_the_command_with_the_next_line(tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    desk = open_desk(run)
    desk.save(0, desk.models_mask(0))
    words = ["-m", "incmask", "correct", str(run), "--no-browser"]
    command = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    address = command.stderr.readline()
    assert re.fullmatch(r"correct at http://127\.0\.0\.1:\d+/[\w-]{32}/\n", address)
    command.send_signal(signal.SIGINT)
    told, problems = command.communicate(timeout=300)
    assert (command.returncode, "Traceback" in problems) == (0, False)
    out = f"{run}-corrections"
    assert told == (
        "there is no ranking.csv, so the most disputed images come first; "
        f"`incmask rank {run}` knows more\n"
        f"1 image corrected in {out}\nnext: incmask import {run} {out} --from png --unchanged confirm\n"
    )
