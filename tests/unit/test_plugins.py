"""Plug-ins by name: near names are told, double names refused, and a stranger's class takes the built-in's road."""

import os

import pytest

from insideLLMs import plugins
from insideLLMs.core.errors import DuplicatePluginError, PluginError, UnknownPluginError
from insideLLMs.plugins import Registry, load_reference


def make(size=1, name="x"):
    """Make a thing.

    More words.
    """
    return (size, name)


@pytest.fixture
def registry():
    return Registry("thing", {"path": "pathlib:PurePath", "broken": "pathlib:Nothing"}, "insidellms.test-things")


def test_names_get_what_was_registered_with_its_defaults(registry):
    registry.register("mine", make, size=3)
    assert registry.get("mine") == (3, "x")
    assert registry.get("mine", size=4, name="y") == (4, "y")
    assert registry.get_factory("mine") is make
    assert registry.list() == ["broken", "mine", "path"]
    assert "mine" in registry
    assert len(registry) == 3
    assert registry.info("mine")["doc"] == "Make a thing."
    assert registry.info("mine")["defaults"] == {"size": 3}


def test_the_decorator_form_registers_and_returns_the_class(registry):
    @registry.register("decorated")
    class Thing:
        pass

    assert isinstance(registry.get("decorated"), Thing)


def test_a_taken_name_is_refused_naming_both_sides(registry):
    with pytest.raises(DuplicatePluginError, match=r"'path' is already registered by insidellms; .*test_plugins"):
        registry.register("path", make)
    registry.register("path", make, overwrite=True)
    assert registry.get_factory("path") is make


def test_an_unknown_name_tells_the_nearest(registry):
    with pytest.raises(UnknownPluginError, match="did you mean 'path'"):
        registry.get("pth")
    with pytest.raises(KeyError):
        registry.unregister("pth")


def test_unregistering_forgets(registry):
    registry.register("mine", make)
    registry.unregister("mine")
    assert not registry.is_registered("mine")


def test_a_target_that_cannot_be_loaded_is_told(registry):
    with pytest.raises(PluginError, match="'broken' refers to 'pathlib:Nothing'"):
        registry.get("broken")


def test_every_built_in_loads_and_has_a_docstring():
    for registry in (plugins.model_registry, plugins.probe_registry, plugins.dataset_registry):
        for name in registry.list():
            assert registry.info(name)["doc"], name


def test_a_reference_loads_a_file_once_and_knows_its_digest(tmp_path):
    (tmp_path / "mine.py").write_text("class Mine:\n    pass\n")
    first, digest = load_reference("mine.py:Mine", folder=tmp_path, what="probe 'p'")
    again, same = load_reference("mine.py:Mine", folder=tmp_path, what="probe 'p'")
    assert first is again
    assert digest == same
    assert len(digest) == 64
    (tmp_path / "mine.py").write_text("class Mine:\n    version = 2\n")
    changed, other = load_reference("mine.py:Mine", folder=tmp_path, what="probe 'p'")
    assert changed is not first
    assert other != digest


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise ValueError('mine')", "ValueError: mine"),
        ("x = 1", "no class or function 'Mine'"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path, text, says):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(PluginError, match=says):
        load_reference("mine.py:Mine", folder=tmp_path, what="probe 'p'")


def install(folder, name, entry_points, code):
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    (folder / f"{name.replace('-', '_')}.py").write_text(code)


def test_an_installed_plug_in_is_found_by_its_entry_point(tmp_path, monkeypatch):
    install(
        tmp_path, "their-things", "[insidellms.test-things]\ntheirs = their_things:Thing\n", "class Thing:\n    'T.'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", {}, "insidellms.test-things")
    assert type(registry.get("theirs")).__name__ == "Thing"
    assert registry.info("theirs")["origin"] == "their-things"


def test_two_packages_that_claim_one_name_are_both_named(tmp_path, monkeypatch):
    for name in ("first-pkg", "second-pkg"):
        install(tmp_path / name, name, f"[insidellms.test-things]\nsame = {name.replace('-', '_')}:X\n", "X = dict\n")
        monkeypatch.syspath_prepend(tmp_path / name)
    with pytest.raises(DuplicatePluginError) as caught:
        Registry("thing", {}, "insidellms.test-things").list()
    assert "first-pkg" in str(caught.value)
    assert "second-pkg" in str(caught.value)


@pytest.mark.parametrize("takes", ["", "*, model_registry, probe_registry, dataset_registry", "probe_registry"])
def test_a_registering_plug_in_of_the_earlier_system_works(tmp_path, monkeypatch, takes):
    code = (
        "from insideLLMs.plugins import probe_registry as own\n"
        f"def register({takes}):\n    (own if 'probe_registry' not in locals() else probe_registry)"
        ".register('from-plug-in', dict, overwrite=True)\n"
    )
    install(tmp_path, "old-style", "[insidellms.plugins]\nold = old_style:register\n", code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "old_style", raising=False)
    plugins.load_registering_plugins.cache_clear()
    try:
        plugins.load_registering_plugins()
        assert "from-plug-in" in plugins.probe_registry
    finally:
        plugins.probe_registry.unregister("from-plug-in")
    plugins.load_registering_plugins.cache_clear()


def test_plug_ins_can_be_switched_off(tmp_path, monkeypatch):
    install(tmp_path, "old-style", "[insidellms.plugins]\nold = nowhere:register\n", "")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("INSIDELLMS_DISABLE_PLUGINS", "1")
    plugins.load_registering_plugins.cache_clear()
    plugins.load_registering_plugins()
    plugins.load_registering_plugins.cache_clear()


def test_a_file_that_was_edited_within_a_second_is_run_as_it_is_now(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    file = tmp_path / "mine.py"
    found = []
    for answer in (2, 5):
        file.write_text(f"def answer():\n    return {answer}\n")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        found.append(load_reference("mine.py:answer", folder=tmp_path, what="probe 'p'")[0]())
    assert found == [2, 5]
    assert not (tmp_path / "__pycache__").exists()
