"""Make a bundle that installs Tallystick where there is no network.

    python tools/airgap.py OUT                            wheels for this machine, and the site
    python tools/airgap.py OUT --platform manylinux_2_28_x86_64 --python-version 3.12
    python tools/airgap.py OUT --pages                    Markdown instead of the site

Wheels are fetched by the hashes in `requirements/run.txt`, our own is built here. Then follow the
documentation, the units, `install.sh`, and `SHA256SUMS` over all of it. Building the site needs
`zensical` beside this Python, and the wheel `hatchling`: `make docs` installs both.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
REQUIREMENTS: Final = ROOT / "requirements" / "run.txt"
SUMS: Final = "SHA256SUMS"
TAKEN: Final = ("systemd", "observability", "man", "container")
"""Folders of `packaging/` that go into the bundle."""
_VERSION: Final = re.compile(r"tallystick-([^-]+)-py3-none-any\.whl")


class BundleError(Exception):
    """The bundle cannot be made; the message says why."""


def download(requirements: Path, wheels: Path, choice: Sequence[str] = ()) -> None:
    """Fetch wheels by their hashes, and nothing else.

    Args:
        requirements: Exact versions, each with hashes, complete.
        wheels: Folder to put them in.
        choice: Options of `pip download` that choose a platform.
    """
    _pip(
        "download", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:",
        "--dest", str(wheels), "-r", str(requirements), *choice,
    )  # fmt: skip


def build(wheels: Path) -> Path:
    """Build our own wheel, without fetching anything; return it."""
    _pip("wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
         "--wheel-dir", str(wheels), str(ROOT))  # fmt: skip
    [wheel] = wheels.glob("tallystick-*.whl")
    return wheel


def assemble(out: Path, wheel: Path, requirements: Path, documentation: Path) -> None:
    """Put everything beside the wheels, and the sums over all of it."""
    match = _VERSION.fullmatch(wheel.name)
    if match is None:
        raise BundleError(f"{wheel.name} is no wheel of Tallystick for every platform")
    ours = f"tallystick=={match[1]} --hash=sha256:{_sum(wheel)}\n"
    (out / "requirements.txt").write_text(requirements.read_text() + ours)
    shutil.copytree(documentation, out / "docs")
    for name in TAKEN:
        shutil.copytree(ROOT / "packaging" / name, out / "packaging" / name)
    for name in ("install.sh", "README.txt"):
        shutil.copy(ROOT / "packaging" / "airgap" / name, out / name)
    shutil.copy(ROOT / "LICENSE", out / "LICENSE")
    (out / SUMS).write_text(sums(out))


def sums(folder: Path) -> str:
    """Return a line for each file of a folder, as `sha256sum -c` reads them, in a fixed order."""
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return "".join(f"{_sum(folder / name)}  {name}\n" for name in names if name != SUMS)


def site() -> Path:
    """Build the documentation site; return its folder."""
    builder = Path(sys.executable).with_name("zensical")
    if not builder.exists():
        raise BundleError("zensical is not installed: run `make docs`, or give --pages")
    _run([str(builder), "build", "--clean", "--strict"])
    return ROOT / "site"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--pages", action="store_true", help="Markdown instead of the site")
    parser.add_argument("--requirements", type=Path, default=REQUIREMENTS)
    for name in ("--platform", "--python-version"):
        parser.add_argument(name, help="as `pip download` knows it")
    chosen = parser.parse_args(arguments)
    try:
        _make(chosen)
    except (BundleError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{_sum(chosen.out / SUMS)}  {chosen.out / SUMS}")
    return 0


def _make(chosen: argparse.Namespace) -> None:
    documentation = ROOT / "docs" if chosen.pages else site()
    chosen.out.mkdir(parents=True)
    wheels = chosen.out / "wheels"
    pairs = (("--platform", chosen.platform), ("--python-version", chosen.python_version))
    choice = [word for name, value in pairs if value for word in (name, value)]
    download(chosen.requirements, wheels, choice)
    assemble(chosen.out, build(wheels), chosen.requirements, documentation)


def _pip(*arguments: str) -> None:
    _run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise BundleError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
