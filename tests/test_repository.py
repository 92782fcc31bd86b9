"""Lo que prometen los archivos de la raíz: versiones, sistemas, órdenes y entornos."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import notebooks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def requirements(text: str) -> list[Requirement]:
    """Requisitos de un archivo de pip, sin comentarios ni opciones."""
    lines = (line.split("#")[0].split("--hash")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads(read(root / "pyproject.toml"))["project"]


@pytest.fixture(scope="module")
def listed(root):
    return {canonicalize_name(r.name): r for r in requirements(read(root / "requirements.txt"))}


def unbounded(reqs) -> list[str]:
    """Requisitos a los que les falta un límite inferior o superior."""
    return [
        str(r)
        for r in reqs
        if not (
            {">=", "=="} & {s.operator for s in r.specifier}
            and {"<", "=="} & {s.operator for s in r.specifier}
        )
    ]


# Fallos que otros proyectos publicaron: cada uno tiene su prueba, y la prueba lleva su sigla en un comentario.
KNOWN_TRAPS = (
    "K01 K02 K05 K06 K07 K08 K09 K10 K11 K12 K13 P01 P02 P03 P04 P05 J01 J02 J03 J04 J05 J06 J07 J08 J09 J10 J11 J12 "
    "N01 N02 N03 N04 W01 W02 W03 W04 B01 B02 B03 B04 B05 B06 A01 A02"
).split()


def test_every_known_trap_has_its_test(root):
    here = Path(__file__).name
    text = "".join(read(path) for path in (root / "tests").glob("test_*.py") if path.name != here)
    own = read(Path(__file__)).rpartition("KNOWN_TRAPS if trap")[2]  # lo que sigue, no la lista de arriba
    assert [trap for trap in KNOWN_TRAPS if trap not in text + own] == []


def test_test_tools_are_bounded(project, listed):
    """N04: una versión nueva de pytest o de nbval no puede romper las pruebas sin avisar."""
    extras = {r.name: r for r in map(Requirement, project["optional-dependencies"]["pruebas"])}
    assert unbounded([extras["pytest"], listed["nbval"]]) == []
    assert not listed["nbval"].specifier.contains("0.10.0") and not extras["pytest"].specifier.contains(
        "11.0"
    )


def test_python_range_has_both_bounds(project):
    assert project["requires-python"] == ">=3.10,<3.14"


def test_tensorflow_only_in_requirements(project, listed):
    declared = project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    names = {Requirement(text).name for text in declared}
    assert not [name for name in names if name == "keras" or "tensorflow" in name]
    assert "tensorflow" in listed and "scipy" in listed  # K01: Keras no instala scipy


def test_every_requirement_is_bounded(project, listed, root):
    declared = [
        Requirement(r) for r in project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    ]
    assert (
        unbounded([*declared, *listed.values(), *requirements(read(root / "binder/requirements.txt"))]) == []
    )
    assert unbounded([Requirement("jupyter-book>=1.0"), Requirement("numpy")]) == [
        "jupyter-book>=1.0",
        "numpy",
    ]


def test_same_ranges_in_both_places(project, listed):
    declared = [
        Requirement(r) for r in project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    ]
    different = [
        str(r)
        for r in declared
        if canonicalize_name(r.name) in listed and listed[canonicalize_name(r.name)].specifier != r.specifier
    ]
    assert different == []


def test_jupyter_book_stays_below_2_everywhere(root):
    """J10: sin límite, pip instala la serie 2, que es otro programa."""
    files = [
        *root.glob("*requirements*.txt"),
        root / "pyproject.toml",
        *root.glob("binder/*"),
        *root.glob(".github/workflows/*.yml"),
        root / "README.md",
    ]
    asked = [
        line
        for path in files
        for line in read(path).splitlines()
        if re.search(r"jupyter-book *[><=~!]|install[^\n]*\bjupyter-book\b", line)
    ]
    assert asked and all("<2" in line for line in asked)
    locked = [
        line for line in read(root / "requirements.lock").splitlines() if line.startswith("jupyter-book==")
    ]
    assert locked and all(line.startswith("jupyter-book==1.") for line in locked)


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_satisfies_the_ranges(python, root, project, listed):
    """El candado da una versión, y una sola, de cada requisito para cada Python, dentro de su intervalo."""
    wanted = [
        Requirement(r) for r in project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    ] + list(listed.values())
    environment = {"python_version": python, "python_full_version": python + ".0", "sys_platform": "linux", "platform_system": "Linux",
                   "platform_machine": "x86_64", "os_name": "posix", "implementation_name": "cpython", "platform_python_implementation": "CPython"}  # fmt: skip
    pins = {}
    for pin in requirements(read(root / "requirements.lock")):
        if pin.marker is None or pin.marker.evaluate(environment):
            assert canonicalize_name(pin.name) not in pins, (
                f"{pin.name} aparece dos veces para Python {python}"
            )
            pins[canonicalize_name(pin.name)] = next(iter(pin.specifier)).version
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), str(requirement)


def test_readme_has_the_table_of_systems(root):
    """K11: qué sistema y qué Python funcionan, y la salida donde no."""
    text = read(root / "README.md")
    for word in (
        "Windows",
        "macOS",
        "Intel",
        "procesador de Apple",
        "Linux",
        "Colab",
        "3.10–3.13",
        "Visual C++",
        "rutas largas",
        "tensorflow-metal",
    ):
        assert word in text, word
    assert text.index("Colab") < text.index("make libro") < text.index("sin make")


def test_readme_commands_are_those_of_the_makefile(root):
    makefile, readme = read(root / "Makefile"), read(root / "README.md")
    for target in re.findall(r"^make ([a-z-]+)", readme, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target
    for command in (
        "-m helpers.book",
        '-m pytest -m "not completo"',
        "--nbval-sanitize-with tests/nbval-sanear.cfg book",
    ):
        assert command in makefile and command in readme, command
    assert "make test-full" in read(root / ".ci/run")


def test_make_help_lists_every_public_target(root):
    shown = subprocess.run(
        ["make", "-s", "ayuda"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    for target in (
        "libro",
        "test",
        "test-full",
        "lint",
        "bench",
        "ejecutar",
        "servir",
        "limpiar",
        "ayuda",
        "repositorio",
    ):
        assert re.search(rf"^{target}\s+\S", shown, re.M), target


def binder_faults(url: str) -> list[str]:
    """Lo que haría que un enlace de Binder abriera un error o el sitio equivocado."""
    faults = []
    if not url.startswith("https://mybinder.org/v2/gh/") or "//" in url.removeprefix("https://"):
        faults.append("forma de la dirección")
    if "urlpath=tree" in url or not re.search(r"urlpath=lab(/|%2F)tree(/|%2F)book(/|%2F)[\w-]+\.ipynb$", url):
        faults.append("no abre un cuaderno en JupyterLab")
    return faults


def test_binder_addresses_open_a_notebook_in_lab(root):
    """B04: rutas antiguas y barras de más abren un error; las de las páginas construidas las mira test_book."""
    config = yaml.safe_load(read(root / "_config.yml"))
    assert config["launch_buttons"]["notebook_interface"] == "jupyterlab"
    urls = re.findall(r"https://mybinder\.org/v2/[^)\s>]+", read(root / "README.md"))
    assert urls and [binder_faults(url) for url in urls] == [[]] * len(urls)
    assert binder_faults("https://mybinder.org/v2/gh/a/b/main?urlpath=tree/book/x.ipynb")
    assert binder_faults("https://mybinder.org/v2/gh/a//b/main?urlpath=lab/tree/book/x.ipynb")


def test_there_is_no_live_code_button(root):
    """J09: un kernel remoto dentro de la página puede no arrancar o arrancar en otra carpeta; los cuadernos se abren enteros."""
    config = yaml.safe_load(read(root / "_config.yml"))
    assert not config["launch_buttons"].get("thebe")
    text = json.dumps(config).lower()
    assert "thebe" not in text.replace('"thebe": false', "")


def test_nothing_needs_graphviz(root):
    """B06: `plot_model` pide un programa del sistema; el libro dibuja sus redes."""
    files = [*root.glob("book/*.ipynb"), *root.glob("helpers/**/*.py")]
    assert len(files) > 20 and [path.name for path in files if "plot_model" in read(path)] == []


def test_binder_is_slim_and_has_one_configuration(root):
    """B02 y B03: la rueda para procesador, un solo juego de archivos, y su Python dentro del intervalo."""
    names = {canonicalize_name(r.name) for r in requirements(read(root / "binder/requirements.txt"))}
    assert "tensorflow-cpu" in names and not names & {
        "tensorflow",
        "jupyter-book",
        "jupyterlab",
        "playwright",
    }
    python = re.fullmatch(r"python-(\d+\.\d+)\s*", read(root / "binder/runtime.txt")).group(1)
    assert python in PYTHONS
    assert {p.name for p in (root / "binder").iterdir()} <= {
        "requirements.txt",
        "runtime.txt",
        "postBuild",
        "apt.txt",
    }
    assert not any(
        (root / name).exists() for name in ("environment.yml", "environment.yaml", "runtime.txt", ".binder")
    )


def loose_actions(workflow: str) -> list[str]:
    """Acciones de un flujo de GitHub que no están fijadas por su confirmación."""
    return [use for use in re.findall(r"uses:\s*(\S+)", workflow) if not re.search(r"@[0-9a-f]{40}$", use)]


def test_workflows_pin_their_actions_and_ask_for_nothing(root):
    workflows = list((root / ".github/workflows").glob("*.yml"))
    assert workflows
    for path in workflows:
        assert loose_actions(read(path)) == [], path.name
        assert "permissions:" in read(path), path.name
    assert loose_actions("- uses: actions/checkout@v4") == ["actions/checkout@v4"]


def workflow(root, name) -> dict:
    return yaml.safe_load(read(root / f".github/workflows/{name}.yml"))


def broad_permissions(flow: dict) -> list[str]:
    """Permisos de escritura que un flujo da a todos sus trabajos en vez de al que los usa."""
    return [f"{scope}: {level}" for scope, level in flow["permissions"].items() if level != "read"]


def test_each_workflow_has_one_purpose_and_the_least_privileges(root):
    flows = {path.stem: workflow(root, path.stem) for path in (root / ".github/workflows").glob("*.yml")}
    assert set(flows) == {"pruebas", "publicar", "semanal", "version", "experimentos"}
    writing = {}
    for name, flow in flows.items():
        assert broad_permissions(flow) == [], name
        for job, steps in flow["jobs"].items():
            assert steps["timeout-minutes"] <= 120, (name, job)
            if "permissions" in steps:
                writing[name, job] = steps["permissions"]
            for step in steps["steps"]:
                if "actions/checkout" in step.get("uses", ""):
                    assert step["with"]["persist-credentials"] is False, (name, job)
    assert writing == {
        ("publicar", "publicar"): {"pages": "write", "id-token": "write"},
        ("version", "empaquetar"): {"contents": "write"},
    }
    assert broad_permissions({"permissions": {"contents": "write"}}) == ["contents: write"]


@pytest.mark.parametrize("name", ["publicar", "version"])
def test_nothing_is_published_from_a_placeholder_address(root, name):
    """La dirección se comprueba antes de subir nada."""
    runs = [step for job in workflow(root, name)["jobs"].values() for step in job["steps"]]
    check = next(i for i, step in enumerate(runs) if "helpers.notebooks publicable" in step.get("run", ""))
    upload = next(
        i
        for i, step in enumerate(runs)
        if "upload-pages-artifact" in step.get("uses", "") or "gh release create" in step.get("run", "")
    )
    assert check < upload


def test_publishable_compares_the_address(tmp_path, capsys):
    (tmp_path / "_config.yml").write_text(
        "repository:\n  url: https://github.com/USUARIO/redes-convolucionales\n", encoding="utf-8"
    )
    with pytest.raises(
        notebooks.NotebookError, match="make repositorio URL=https://github.com/escuela/redes"
    ):
        notebooks.run_publishable("https://github.com/escuela/redes", tmp_path)
    (tmp_path / "_config.yml").write_text(
        "repository:\n  url: https://github.com/escuela/redes\n", encoding="utf-8"
    )
    assert notebooks.run_publishable("https://github.com/Escuela/redes.git", tmp_path) == 0
    assert "y ahí está" in capsys.readouterr().out


def test_make_repositorio_asks_for_the_address(root):
    done = subprocess.run(
        ["make", "-s", "-o", "entorno-libro", "repositorio"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Falta la dirección: make repositorio URL=https://github.com/" in done.stdout


def test_dependency_updates_leave_jupyter_book_2_out(root):
    updates = yaml.safe_load(read(root / ".github/dependabot.yml"))["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "pip"}
    pip = next(update for update in updates if update["package-ecosystem"] == "pip")
    assert {"dependency-name": "jupyter-book", "versions": [">=2"]} in pip["ignore"]


def test_workflow_covers_every_python(root):
    for python in PYTHONS:
        assert f'"{python}"' in read(root / ".github/workflows/pruebas.yml")


def test_devcontainer_is_valid(root):
    config = json.loads(read(root / ".devcontainer/devcontainer.json"))
    assert config["postCreateCommand"] == "make entorno"


def test_colab_requirements_are_pinned(root):
    pins = [
        r
        for r in requirements(read(root / "tests/requirements-colab.txt"))
        if not r.name.startswith("pytest")
    ]
    assert {"tensorflow", "keras", "ipywidgets", "numpy", "anywidget"} <= {r.name for r in pins}
    assert all([s.operator for s in r.specifier] == ["=="] for r in pins)


def test_works_in_a_plain_c_locale(root):
    """J11: nada depende de que el sistema lea UTF-8 por omisión."""
    env = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONWARNDEFAULTENCODING": "1",
    }
    code = (
        "import warnings; warnings.filterwarnings('error', category=EncodingWarning, module='helpers')\n"
        "from helpers.data import load_dataset; from helpers.experiments import records\n"
        "assert 'pantal\\u00f3n' in load_dataset().class_names; records.all_records()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, env=env, check=True)


def test_no_large_file_is_tracked(root):
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    large = [
        name
        for name in tracked.split("\0")
        if name and (root / name).exists() and (root / name).stat().st_size > 5_000_000
    ]
    assert large == []
