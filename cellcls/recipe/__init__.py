"""Recipes: a TOML file with everything that changes a result."""

from cellcls.ops.classes import PARTS
from cellcls.recipe.dump import differences, dump, flat, to_data
from cellcls.recipe.grammar import grammar, settings
from cellcls.recipe.load import Loaded, load, load_all, variants
from cellcls.recipe.model import (
    Band,
    Claim,
    Evaluation,
    Expand,
    Expect,
    File,
    Freeze,
    Init,
    Prediction,
    Recipe,
    Split,
    Stage,
    Train,
)
from cellcls.recipe.problems import RecipeProblems
from cellcls.recipe.structure import Field, fields_of, type_text

__all__ = [
    "PARTS",
    "Band",
    "Claim",
    "Evaluation",
    "Expand",
    "Expect",
    "Field",
    "File",
    "Freeze",
    "Init",
    "Loaded",
    "Prediction",
    "Recipe",
    "RecipeProblems",
    "Split",
    "Stage",
    "Train",
    "differences",
    "dump",
    "fields_of",
    "flat",
    "grammar",
    "load",
    "load_all",
    "settings",
    "to_data",
    "type_text",
    "variants",
]
