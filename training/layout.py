"""Which pictures of a tree are of which class, for training and for testing: the first folder level is the class."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass

from blockfront.errors import UsageError
from blockfront.training.scanning import Tree
from blockfront.training.survey import listed, printable

TRAIN_NAMES = frozenset({"train", "training"})
VAL_NAMES = frozenset({"val", "valid", "validation", "eval", "evaluation"})
TEST_NAMES = frozenset({"test", "testing"})
_DATE = r"(19|20)\d\d([-_. ]?\d\d){0,2}"
_NUMBERED = (
    "batch|cam|camera|clip|day|group|month|part|patient|person|run|scene|sequence|series|session|set|shot|site|sub|"
    "subject|take|video|week|year"
)
_GROUP = re.compile(rf"{_DATE}|({_NUMBERED})[-_ ]?\d+")
"""Names of folders that divide the pictures of a class, and are none themselves."""
_PART = re.compile(r".*(train|valid|val(?![a-z])|test|eval|dev(?![a-z])|split|fold).*")
"""Names that a part of a data set may have, beside those that are known."""
_COUNTED = re.compile(r"(.*?)(?:\d+|(?<![^\W\d_])[a-z])")


@dataclass(frozen=True)
class Part:
    """The pictures of one part of a data set, as paths relative to its root, by class.

    `base` is the folder of the part, relative to the root, with a `/` behind; `above` is where its class folders lie.
    """

    base: str
    above: str
    classes: dict[str, list[str]]


@dataclass(frozen=True)
class Layout:
    """Training and test pictures; without `test`, a share of the former is to be split off. `notes` say what is odd."""

    train: Part
    test: Part | None
    notes: tuple[str, ...]


def find_layout(tree: Tree, root: str) -> Layout:
    """The layout of what lies below `root`; raises `UsageError` for one that could be read in two ways."""
    base, groups, loose = _unwrap(tree, "", tree.pictures)
    train_name, test_name, unused = _choose_parts(root, base, groups)
    if train_name is None:
        if test_name is not None:
            raise UsageError(
                f"{root} has {test_name}/ but no train/ with pictures; add it, or name a folder of classes"
            )
        train, test, left = _part(root, tree, "", tree.pictures), None, {}
        within = _check_unlike(f"{root}/{train.above}", tree, train)
    else:
        within = []
        train = _part(root, tree, f"{base}{train_name}/", groups[train_name])
        test = None if test_name is None else _part(root, tree, f"{base}{test_name}/", groups[test_name], train.classes)
        left = {name: files for name, files in groups.items() if name not in (train_name, test_name)}
    notes = [f"read from {part.above}, which alone holds pictures" for part in (train,) if part.above != part.base]
    for name, files in sorted(left.items()):
        why = f"{test_name}/ is for testing" if name in unused else f"it lies beside {train_name}/"
        notes.append(f"not used: {base}{name}/ (pictures: {len(files)}), because {why}")
    if train_name is not None and loose:
        notes.append(f"not used: pictures beside {train_name}/: {len(loose)} ({listed(sorted(loose))})")
    notes += [*within, *_empty(tree, train)]
    if test is not None:
        _check_classes(root, train, test)
    return Layout(train, test, tuple(map(printable, [*notes, *_alike(train)])))


def natural_key(name: str) -> tuple[list[int | str], str]:
    """Orders names as people do: 2 before 10, whatever the case; timm's order, but of names that differ in case."""
    parts = re.split(r"(\d+)", name.lower())
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], name


def _grouped(files: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Paths below each first folder, relative to it, and the files that lie in none."""
    groups: dict[str, list[str]] = defaultdict(list)
    loose = []
    for file in files:
        head, slash, rest = file.partition("/")
        if slash:
            groups[head].append(rest)
        else:
            loose.append(head)
    return groups, loose


def _unwrap(tree: Tree, base: str, files: Sequence[str]) -> tuple[str, dict[str, list[str]], list[str]]:
    """`_grouped`, of the only folder where there is but one and class folders lie in it; and the folder that is of.

    Other folders may lie beside it, without pictures, where it holds the parts of a data set.
    """
    groups, loose = _grouped(files)
    if len(groups) == 1 and not loose:
        (name,) = groups
        inner, direct = _grouped(groups[name])
        alone = [path for path in tree.folders if path.rpartition("/")[0] == base[:-1]] == [f"{base}{name}"]
        if (
            not direct
            and _kind(name) is None
            and ((alone and not all(map(_divides, inner))) or any(_kind(one) is TRAIN_NAMES for one in inner))
        ):
            return _unwrap(tree, f"{base}{name}/", groups[name])
    return base, groups, loose


def _kind(name: str) -> frozenset[str] | None:
    """The names that a folder's is one of, where it is a part of a data set."""
    return next((names for names in (TRAIN_NAMES, VAL_NAMES, TEST_NAMES) if name.casefold() in names), None)


def _divides(name: str) -> bool:
    return _GROUP.fullmatch(name.casefold()) is not None


def _choose_parts(root: str, base: str, groups: dict[str, list[str]]) -> tuple[str | None, str | None, list[str]]:
    """The folders for training and for testing, and those that could be for testing too."""
    kinds = [[name for name in groups if _kind(name) is names] for names in (TRAIN_NAMES, VAL_NAMES, TEST_NAMES)]
    for names in kinds:
        if len(names) > 1:
            both = " and ".join(f"{base}{name}/" for name in sorted(names))
            raise UsageError(f"{root} has {both}; rename or remove all but one of them")
    train, val, test = (names[0] if names else None for names in kinds)
    if train and not val and not test and len(groups) > 2 and not _grouped(groups[train])[0]:
        # a class of this name, such as of vehicles, among others
        return None, None, []
    return train, val or test, [test] if val and test else []


def _part(root: str, tree: Tree, base: str, files: Sequence[str], known: Container[str] = ()) -> Part:
    """A part by class; a single folder in it that is of a `known` class is one."""
    groups, loose = _grouped(files)
    above = base
    if not any(name in known for name in groups):
        above, groups, loose = _unwrap(tree, base, files)
    if loose:
        raise UsageError(
            f"{root}/{above}{printable(min(loose))} lies in no class folder; "
            "move it into a folder named after its class"
        )
    names = sorted(groups, key=natural_key)
    return Part(base, above, {name: [f"{above}{name}/{file}" for file in groups[name]] for name in names})


def _check_unlike(folder: str, tree: Tree, part: Part) -> list[str]:
    """A note of class folders that hold folders of the same names, which are no classes then.

    Raises `UsageError` where the class folders may be the parts of a data set by what they are called.
    """
    holders: dict[str, list[str]] = defaultdict(list)
    for name, files in part.classes.items():
        base = f"{part.above}{name}/"
        _, inner, loose = _unwrap(tree, base, [file.removeprefix(base) for file in files])
        kinds = {_kind(one) for one in inner} - {None}
        if TRAIN_NAMES in kinds and len(kinds) > 1:
            raise UsageError(
                f"{folder}{printable(name)} has training and test folders of its own; name it as the data set, "
                "or put all classes below one train/ and one val/"
            )
        if not loose:
            for one in (one for one in inner if not _divides(one)):
                holders[one].append(name)
    shared: dict[str, list[str]] = defaultdict(list)
    for one in sorted((one for one, names in holders.items() if len(names) > 1), key=natural_key):
        for name in holders[one]:
            shared[name].append(one)
    alike = sorted((name for name, both in shared.items() if len(both) > 1), key=natural_key)
    for first, second in itertools.pairwise(alike):
        if _may_be_parts(first.casefold(), second.casefold()):
            both = " and ".join(map(printable, shared[first][:2]))
            raise UsageError(
                f"{folder} has {printable(first)}/ and {printable(second)}/, which both hold folders {both}; "
                "if these are the classes, name the two train/ and val/, and if not, take the pictures out"
            )
    if not alike:
        return []
    names = sorted({one for name in alike for one in shared[name]}, key=natural_key)
    return [f"no classes, but folders within {listed(alike, 3)}: {listed(names, 3)}; the first level is the class"]


def _may_be_parts(first: str, second: str) -> bool:
    """Whether two names are of parts, or count up, as `a` and `b` or `seg_1` and `seg_2` do."""
    if _PART.fullmatch(first) or _PART.fullmatch(second) or (_divides(first) and _divides(second)):
        return True
    counted = [_COUNTED.fullmatch(name) for name in (first, second)]
    return None not in counted and len({one[1] for one in counted if one}) == 1


def _empty(tree: Tree, train: Part) -> list[str]:
    """A note of the folders that would be classes, had they pictures."""
    names = {path.removeprefix(train.above) for path in tree.folders if path.startswith(train.above)}
    empty = sorted(name for name in names if "/" not in name and name not in train.classes)
    return [f"no class, for want of pictures: {listed([train.above + name for name in empty])}"] if empty else []


def _check_classes(root: str, train: Part, test: Part) -> None:
    strangers = [name for name in test.classes if name not in train.classes]
    if not strangers:
        return
    like = {_folded(name): name for name in train.classes}
    alike = next((name for name in strangers if _folded(name) in like), None)
    hint = "" if alike is None else f"; {alike!r} and {like[_folded(alike)]!r} differ in case or in Unicode form alone"
    raise UsageError(f"{root}/{test.above} has classes that {root}/{train.above} lacks: {listed(strangers, 5)}{hint}")


def _alike(train: Part) -> list[str]:
    """A note of classes whose names differ in case or in Unicode form alone."""
    names: dict[str, list[str]] = defaultdict(list)
    for name in train.classes:
        names[_folded(name)].append(name)
    return [
        f"{' and '.join(map(repr, same))} are different classes, though their names are nearly the same"
        for same in names.values()
        if len(same) > 1
    ]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
