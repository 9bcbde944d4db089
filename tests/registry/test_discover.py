"""A broken plugin is named with its reason and stops nothing else."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from cellcls.registry import PluginRecord, Registry, load_registry

HEAD = """
from cellcls.api import Callback, Component, Head, component, hookimpl, param

@component("{name}")
class Pool(Head):
    '''Pools.'''

    power: float = param(default=3.0, ge=1, help="How sharp.")
"""
HOOK = """
@hookimpl
def cellcls_components():
    return {answer}
"""
GOOD = HEAD.format(name="sound") + HOOK.format(answer="[Pool]")

Plugin = Callable[[str, str], metadata.EntryPoint]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugin]:
    """Make an entry point of a new module with the given text."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(name: str, text: str) -> metadata.EntryPoint:
        module = f"cellcls_test_plugin_{name}"
        (tmp_path / f"{module}.py").write_text(text)
        made.append(module)
        return metadata.EntryPoint(name=name, value=module, group="cellcls")

    yield make
    for module in made:
        sys.modules.pop(module, None)


def builtin() -> list[metadata.EntryPoint]:
    return list(metadata.entry_points(group="cellcls", name="builtin"))


def record(registry: Registry, name: str) -> PluginRecord:
    return next(one for one in registry.plugins if one.name == name)


BROKEN = {
    "import_error": ("import nowhere_to_be_found", "import failed: ModuleNotFoundError: No module named"),
    "syntax_error": ("def broken(:", "import failed: SyntaxError"),
    "exits": ("import sys; sys.exit(3)", "import failed: SystemExit: 3"),
    "raises_at_import": ("raise RuntimeError('two\\nlines')", "import failed: RuntimeError: two lines"),
    "no_hook": ("x = 1", "has no hook: define cellcls_components() marked with @cellcls.api.hookimpl"),
    "unmarked_hook": (HEAD.format(name="a") + "def cellcls_components(): return [Pool]", "has no hook"),
    "misspelt_hook": (
        HEAD.format(name="a") + "@hookimpl\ndef cellcls_component(): return [Pool]",
        "hook refused: PluginValidationError: unknown hook 'cellcls_component'",
    ),
    "hook_wants_arguments": (
        HEAD.format(name="a") + "@hookimpl\ndef cellcls_components(registry): return [Pool]",
        "hook refused: PluginValidationError",
    ),
    "looking_at_it_raises": (  # as a proxy does outside its context
        "class Proxy:\n    @property\n    def __class__(self): raise RuntimeError('no context')\nproxy = Proxy()",
        "hook refused: RuntimeError: no context",
    ),
    "hook_raises": (HEAD.format(name="a") + HOOK.format(answer="1 / 0"), "cellcls_components() failed: ZeroDivision"),
    "hook_exits": (HEAD.format(name="a") + HOOK.format(answer="exit(1)"), "cellcls_components() failed: SystemExit"),
    "hook_forgets_return": (HEAD.format(name="a") + HOOK.format(answer="None"), "returned nothing, not a list"),
    "no_list": (HEAD.format(name="a") + HOOK.format(answer="Pool"), "returned type, not a list"),
    "an_object": (HEAD.format(name="a") + HOOK.format(answer="[Pool()]"), "which is not a component class"),
    "no_component": (HEAD.format(name="a") + HOOK.format(answer="[str]"), "which is not a component class"),
    "undecorated": (
        HEAD.format(name="a") + "class Bare(Head): pass\n" + HOOK.format(answer="[Bare]"),
        "offers Bare, which lacks @component(...)",
    ),
    "undecorated_child": (
        HEAD.format(name="a") + "class Child(Pool): pass\n" + HOOK.format(answer="[Child]"),
        "offers Child, which lacks @component(...)",
    ),
    "the_kind_itself": (HEAD.format(name="a") + HOOK.format(answer="[Head]"), "offers Head, which lacks @component"),
    "no_kind": (
        HEAD.format(name="a") + "@component('b')\nclass Odd(Component): pass\n" + HOOK.format(answer="[Odd]"),
        "Odd is of no known kind: subclass one of Dataset, Cleaner",
    ),
    "kind_of_its_own": (
        HEAD.format(name="a")
        + "@component('b')\nclass Odd(Component):\n    kind = 'tail'\n"
        + HOOK.format(answer="[Odd]"),
        "Odd is of no known kind",
    ),
    "a_false_kind": (
        HEAD.format(name="a")
        + "@component('b')\nclass Odd(Component):\n    kind = 'head'\n"
        + HOOK.format(answer="[Odd]"),
        "Odd is of no known kind",
    ),
    "unknown_annotation": (
        "from __future__ import annotations\n"
        + HEAD.format(name="a").replace("power: float", "power: Nowhere")
        + HOOK.format(answer="[Pool]"),
        "the field types of Pool cannot be resolved: NameError",
    ),
    "name_of_a_builtin": (
        HEAD.format(name="linear") + HOOK.format(answer="[Pool]"),
        "the head name `linear` is already taken by cellcls",
    ),
    "name_twice": (HEAD.format(name="a") + HOOK.format(answer="[Pool, Pool]"), "already taken by this plugin itself"),
    "component_named_like_a_path": (
        HEAD.format(name="../pool") + HOOK.format(answer="[Pool]"),
        "Pool is called '../pool'; a name has letters, digits, - _ . only",
    ),
    "component_named_by_a_number": (
        HEAD.format(name="a").replace('"a"', "3") + HOOK.format(answer="[Pool]"),
        "Pool is called 3; a name has letters",
    ),
    "callback_misspelt": (
        HEAD.format(name="a")
        + "@component('b')\nclass Log(Callback):\n    def epoch_end(self, event, run): pass\n"
        + HOOK.format(answer="[Log]"),
        "Log.epoch_end is not the name of an event: did you mean `epoch_ended`?",
    ),
    "callback_of_a_base": (
        HEAD.format(name="a")
        + "class Base(Callback):\n    @staticmethod\n    def helper(): pass\n"
        + "@component('b')\nclass Log(Base): pass\n"
        + HOOK.format(answer="[Log]"),
        "Log.helper is not the name of an event: events are run_started",
    ),
    "callback_property": (
        HEAD.format(name="a")
        + "@component('b')\nclass Log(Callback):\n    @property\n    def path(self): return 1\n"
        + HOOK.format(answer="[Log]"),
        "Log.path is not the name of an event",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_named_and_stops_nothing(case: str, plugin: Plugin) -> None:
    text, reason = BROKEN[case]
    registry = load_registry([*builtin(), plugin(case, text), plugin("zz_sound", GOOD)])
    failed = record(registry, case)
    assert failed.failure is not None
    assert reason in failed.failure
    assert "\n" not in failed.failure
    assert failed.components == ()
    assert registry.find("head", "sound") is not None
    assert registry.find("head", "linear") is not None
    assert [one.name for one in registry.plugins if one.failure] == [case]


@pytest.mark.parametrize("name", ["a/../..", "../../out", "-x", ".hidden", "con", "\x1b[31mred", "a" * 300])
def test_an_entry_point_whose_name_is_no_plain_name_is_not_imported(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "cellcls_test_plugin_named.py").write_text("raise SystemExit('imported')")
    point = metadata.EntryPoint(name=name, value="cellcls_test_plugin_named", group="cellcls")
    failure = load_registry([*builtin(), point]).plugins[-1].failure or ""
    assert failure.startswith(f"its entry point is called {name!r}; a name has letters")


def test_a_callback_may_have_events_settings_and_helpers(plugin: Plugin) -> None:
    text = HEAD.format(name="a") + (
        "@component('log')\nclass Log(Callback):\n    path: str = param(default='x', help='Where.')\n"
        "    def run_failed(self, event, run): self._note()\n    def _note(self): pass\n"
    )
    registry = load_registry([plugin("callbacks", text + HOOK.format(answer="[Log]"))])
    assert record(registry, "callbacks").failure is None
    assert registry.names("callback") == ("log",)


def test_of_two_plugins_with_one_name_the_first_by_name_holds(plugin: Plugin) -> None:
    points = [plugin("b", GOOD), plugin("a", GOOD)]
    registry = load_registry(points)
    assert record(registry, "a").failure is None
    assert "already taken by" in (record(registry, "b").failure or "")
    assert registry.plugin_of(registry.components["head"]["sound"]).name == "a"


def test_cellclss_own_components_come_first(plugin: Plugin) -> None:
    """A plugin cannot take a built-in's name by sorting before it."""
    text = HEAD.format(name="linear") + HOOK.format(answer="[Pool]")
    registry = load_registry([plugin("aaa", text), *builtin()])
    assert [one.name for one in registry.plugins] == ["builtin", "aaa"]
    assert record(registry, "aaa").failure is not None


def test_a_plugin_may_offer_nothing(plugin: Plugin) -> None:
    registry = load_registry([plugin("empty", HEAD.format(name="a") + HOOK.format(answer="[]"))])
    assert record(registry, "empty").failure is None
    assert list(registry) == []


def test_one_name_may_stand_in_two_kinds(plugin: Plugin) -> None:
    text = HEAD.format(name="focal") + HOOK.format(answer="[Pool]")
    registry = load_registry([*builtin(), plugin("focal", text)])
    assert registry.find("head", "focal") is not registry.find("loss", "focal")


def test_registries_share_nothing(plugin: Plugin) -> None:
    assert load_registry([plugin("sound", GOOD)]).names("head") == ("sound",)
    assert load_registry([]).names("head") == ()
    assert load_registry([]).plugins == ()


# --- models -----------------------------------------------------------------------------------------------------

MODELS = """
from pathlib import Path
from cellcls.api import TrainedModel, hookimpl

def model(name):
    return TrainedModel(name=name, title="A few cells", weights=Path("nowhere.safetensors"))

@hookimpl
def cellcls_models():
    return {answer}
"""


def test_a_plugin_may_bring_models_only_and_its_files_are_not_opened(plugin: Plugin) -> None:
    registry = load_registry([*builtin(), plugin("boxed", MODELS.format(answer='[model("some_cells")]'))])
    brought = record(registry, "boxed")
    assert (brought.failure, brought.offers()) == (None, ["model some_cells"])
    model, owner = registry.models()["some_cells"]
    assert (model.weights, owner) == (Path("nowhere.safetensors"), brought)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("model('a')", r"cellcls_models\(\) returned TrainedModel, not a list of models"),
        ("['a']", r"offers 'a', which is not a TrainedModel"),
        ("[model('a'), model('a')]", "the model name `a` is already taken by this plugin itself"),
        ("[model('some_cells')]", "the model name `some_cells` is already taken by"),
        ("[model('-x')]", "a model is called '-x'; a name has letters"),
        ("None", r"cellcls_models\(\) returned nothing, not a list of models"),
        ("1 / 0", r"cellcls_models\(\) failed: ZeroDivisionError"),
    ],
)
def test_bad_models_are_refused(plugin: Plugin, answer: str, why: str) -> None:
    first = plugin("boxed", MODELS.format(answer='[model("some_cells")]'))
    registry = load_registry([*builtin(), first, plugin("wrong", MODELS.format(answer=answer))])
    assert re.search(why, record(registry, "wrong").failure or "")
    assert [*registry.models()] == ["some_cells"]
