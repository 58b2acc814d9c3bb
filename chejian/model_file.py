"""Model files: a line that names the kind and the digest, the card as JSON, and the learned numbers as skops keeps them.

    chejian-model 1 <SHA-256 of all that follows the first line, hex> LF
    <card, JSON in one line> LF
    <skops archive>

skops builds only types on a list, so that a file cannot run anything; a damaged file, or one of another version, is refused before it is built.
scikit-learn walks the nodes of a tree without looking at their bounds, so every tree is checked before it is asked. The digest finds damage, not
malice: it is not a signature.
"""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import sklearn
import skops.io
from numpy.typing import NDArray
from skops.io.exceptions import UntrustedTypesFoundException

from analytics.maintenance.model import Card, Model
from chejian import __version__
from workshop.errors import ConfigError

FORMAT = 1
TRUSTED = (
    "analytics.maintenance.conditions.Conditions", "analytics.maintenance.conformal.Conformal", "analytics.maintenance.detection.Normal",
    "analytics.maintenance.inputs.Inputs", "analytics.maintenance.learner.Learner", "analytics.maintenance.sound.Sound",
    "numpy.dtype",
    "sklearn.tree._tree.Tree",  # likewise
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",  # its node indices are not checked by scikit-learn: `_check_trees` does
)
"""Types that a model is made of, beyond those which skops trusts by itself."""


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chejian: str
    sklearn: str
    card: Card


def write_model(path: Path, model: Model) -> None:
    """Writes the model, and its card as JSON beside it (`<path>.card.json`).

    Raises:
        ConfigError: the file cannot be written.
    """
    head = msgspec.json.encode(_Head(__version__, sklearn.__version__, model.card))
    rest = head + b"\n" + skops.io.dumps(model.learner)
    first = f"chejian-model {FORMAT} {hashlib.sha256(rest).hexdigest()}\n".encode()
    try:
        path.write_bytes(first + rest)
        path.with_name(f"{path.name}.card.json").write_bytes(msgspec.json.format(head, indent=2) + b"\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error


def read_model(path: Path) -> Model:
    """The model in a file that `write_model` wrote with this version.

    Raises:
        ConfigError: no model file, a damaged one, or one of another version: train it again.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    first, _, rest = content.partition(b"\n")
    words = first.decode("latin-1").split(" ")
    if len(words) != 3 or words[0] != "chejian-model":
        raise ConfigError(f"{path}: is no model that chejian wrote")
    if words[1] != str(FORMAT):
        raise ConfigError(f"{path}: a model of format {words[1][:20]}, this version reads format {FORMAT}; train it again")
    if hashlib.sha256(rest).hexdigest() != words[2]:
        raise ConfigError(f"{path}: is damaged (its digest does not match its content); take a copy or train it again")
    line, _, archive = rest.partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=_Head)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: its card cannot be read ({error}); it was written by another version: train it again") from error
    for name, theirs, ours in (("chejian", head.chejian, __version__), ("scikit-learn", head.sklearn, sklearn.__version__)):
        if theirs.split(".")[:2] != ours.split(".")[:2]:
            raise ConfigError(f"{path}: learned with {name} {theirs}, here is {ours}, which may read the numbers otherwise; train it again")
    try:
        learner = skops.io.loads(archive, trusted=list(TRUSTED))
    except (UntrustedTypesFoundException, zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise ConfigError(f"{path}: holds something that is no model of this version ({str(error).splitlines()[0][:200]}); train it again") from error
    _check_trees(path, learner)
    return Model(head.card, learner)


def _check_trees(path: Path, learner: object) -> None:
    """Refuses a tree that leads outside itself, outside the inputs, or round in a circle: such a file was made by hand."""
    for _, _, _, model in getattr(learner, "members", []):
        last = model.steps[-1][1] if hasattr(model, "steps") else model
        width = getattr(last, "n_features_in_", 0)
        for stage in getattr(last, "_predictors", []):
            for tree in stage:
                nodes = tree.nodes
                inner = nodes["is_leaf"] == 0
                sound = _leads_on(nodes["left"], nodes["right"], inner) and not nodes["is_categorical"].any()
                if not sound or not (nodes["feature_idx"][inner] < width).all() or not (nodes["feature_idx"][inner] >= 0).all():
                    raise ConfigError(f"{path}: has a tree that leads outside itself; it was not written by chejian")
        for grown in getattr(last, "estimators_", []):
            tree = grown.tree_
            inner = tree.children_left != -1
            features = tree.feature[inner]
            if not _leads_on(tree.children_left, tree.children_right, inner) or not ((features >= 0) & (features < width)).all():
                raise ConfigError(f"{path}: has a tree that leads outside itself; it was not written by chejian")


def _leads_on(left: NDArray[Any], right: NDArray[Any], inner: NDArray[np.bool_]) -> bool:
    """Whether both children of every inner node come after it and exist."""
    place = np.flatnonzero(inner)
    return all(bool(((child[place].astype(np.int64) > place) & (child[place] < len(inner))).all()) for child in (left, right)) and len(inner) > 0
