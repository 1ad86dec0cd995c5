"""Try a built wheel and sdist as a user would: ``python tests/packaging/try_package.py DIST [--extra NAME ...]``.

Looks into both archives; then installs each into a new environment outside the repository, in which the command line
has to work. It fetches the dependencies, as pip is set up to, with the versions of ``constraints.txt``.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = "incmask/insight/report/templates/"
PAGE = "incmask/exchange/correcting/"
ONLY_IN_THE_REPOSITORY = ("tests/", "benchmarks/")

_MADE_UP = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
root, generator = Path(sys.argv[1]), np.random.default_rng(0)
for folder, num in (("labelled/images", 4), ("labelled/masks", 4), ("unlabelled", 4)):
    (root / folder).mkdir(parents=True)
    for index in range(num):
        pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        found = (pixels[..., 0] > 127).astype(np.uint8) * 255 if folder.endswith("masks") else pixels
        Image.fromarray(found).save(root / folder / f"{index}.png")
"""


def names_in(archive: Path) -> set[str]:
    """Name the files of a wheel, or of an sdist without its first folder and ``src/``."""
    if archive.suffix == ".whl":
        return set(zipfile.ZipFile(archive).namelist())
    with tarfile.open(archive) as opened:
        inside = [each.name.partition("/")[2] for each in opened.getmembers() if each.isfile()]
    return {name.removeprefix("src/") for name in inside}


def check_names(names: set[str]) -> None:
    """Check that an archive has every file of the package, and nothing that belongs to the repository alone."""
    source = ROOT / "src"
    wanted = {path.relative_to(source).as_posix() for path in (source / "incmask").rglob("*.py")}
    wanted |= {"incmask/py.typed", *(f"{TEMPLATES}page.{kind}.j2" for kind in ("html", "css", "js"))}
    wanted |= {f"{PAGE}{name}" for name in ("page.html", "page.css", "page.js", "mask.js", "paint.js", "view.js")}
    assert wanted <= names, f"missing: {sorted(wanted - names)}"
    strangers = [name for name in names if name.startswith(ONLY_IN_THE_REPOSITORY)]
    assert not strangers, f"too much: {strangers[:5]}"


def try_installed(package: Path, extras: list[str], work: Path) -> None:
    """Install a package with extras into a new environment, and use its command line there."""
    venv.create(work / "env", with_pip=True)
    programs = work / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*words: object) -> str:
        words = tuple(map(str, words))
        done = subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    wanted = f"{package}[{','.join(extras)}]" if extras else package
    run(programs / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wanted)
    run(programs / "python", "-m", "pip", "check")
    where = run(programs / "python", "-c", "import incmask; print(incmask.__file__)").strip()
    assert Path(where).is_relative_to(work / "env"), where
    run(programs / "python", "-c", _MADE_UP, work / "images")
    assert run(programs / "incmask", "--version").startswith("incmask ")
    assert "settings" in run(programs / "incmask", "--help")
    assert "batch_size" in run(programs / "incmask", "settings")
    assert "4" in run(programs / "incmask", "check", work / "images")
    if "report" in extras:
        run(programs / "python", "-c", "import jinja2, matplotlib")
    if "export" in extras:
        run(programs / "python", "-c", "import onnx, onnxruntime, onnxscript")
    print(f"{package.name}{extras or ''} works")


def main() -> None:
    """Look into the archives of a folder, and try them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dist", type=Path, help="folder with one wheel and one sdist")
    parser.add_argument("--extra", action="append", choices=("report", "export"), default=[], help="install it, too")
    given = parser.parse_args()
    archives = [*given.dist.resolve().glob("*.whl"), *given.dist.resolve().glob("*.tar.gz")]
    assert len(archives) == 2, f"{given.dist}: expected a wheel and an sdist"
    for archive in archives:
        check_names(names_in(archive))
        with tempfile.TemporaryDirectory() as work:
            try_installed(archive, given.extra, Path(work))


if __name__ == "__main__":
    main()
