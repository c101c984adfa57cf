"""Compare a wheel with the folders it was made of: `check_wheel.py WHEEL`, run in the repository's root.

Prints what is missing and what should not be there, and exits with 1 if anything is.
"""

import sys
import tomllib
import zipfile
from pathlib import Path


def expected(folders: dict[str, str]) -> set[str]:
    """Where each file of the packages' folders goes, by `package-dir`: package to folder."""
    found = set()
    for package, folder in {"blockfront": "blockfront", **folders}.items():
        for file in Path(folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                found.add(Path(*package.split("."), file.relative_to(folder)).as_posix())
    return found


def main(wheel: str) -> int:
    with open("pyproject.toml", "rb") as file:
        project = tomllib.load(file)
    wanted = expected(project["tool"]["setuptools"]["package-dir"])
    there = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    for name in sorted(wanted - there):
        print(f"missing in the wheel: {name}", file=sys.stderr)
    for name in sorted(there - wanted):
        print(f"in the wheel, but in no folder: {name}", file=sys.stderr)
    print(f"{wheel.rpartition('/')[2]}: {len(there)} files")
    return 0 if wanted == there else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
