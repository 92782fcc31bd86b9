"""Archivos de resultados: un JSON por ejecución en `book/results/`, con sumas que cubren toda la carpeta.

Nada de aquí necesita TensorFlow: los capítulos leen los registros sin entrenar.
"""

import hashlib
import json
import os
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "book" / "results"
SCHEMA = 1
SUMS = "SHA256SUMS"
MAX_BYTES = 12_000_000

# Claves que todo registro lleva, con el tipo de su valor.
_REQUIRED = {
    "schema": int,
    "experiment": str,
    "seed": int,
    "title": str,
    "config": dict,
    "data": dict,
    "parameters": int,
    "environment": dict,
    "date": str,
    "seconds": dict,
    "history": dict,
    "best_epoch": int,
    "best": dict,
    "last": dict,
    "weights": (dict, type(None)),
    "command": str,
}


class RecordError(ValueError):
    """Un registro falta, está incompleto o no coincide con sus sumas."""


# Lo mismo para una rejilla (`"kind": "grid"`): muchas ejecuciones cortas en un archivo.
_REQUIRED_GRID = {
    "schema": int,
    "experiment": str,
    "title": str,
    "axes": dict,
    "default": dict,
    "epochs": int,
    "data": dict,
    "test": dict,
    "environment": dict,
    "date": str,
    "seconds": dict,
    "runs": list,
    "command": str,
}


def record_name(experiment: str, seed: int | None = 0) -> str:
    """Nombre del archivo de una ejecución, por ejemplo `baseline-s0.json`; el de una rejilla no lleva semilla."""
    return f"{experiment}.json" if seed is None else f"{experiment}-s{seed}.json"


def is_grid(record: dict) -> bool:
    """Si el registro es de una rejilla."""
    return record.get("kind") == "grid"


def file_sha256(path: Path) -> str:
    """SHA-256 de un archivo, en hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def bytes_sha256(content: bytes) -> str:
    """SHA-256 de unos bytes, en hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def rounded(value, digits: int = 6):
    """Copia de `value` (listas, diccionarios, números) con `digits` cifras significativas en cada decimal.

    Seis cifras bastan para todo lo que el libro imprime y dejan cada registro en unos pocos kilobytes.
    """
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    return value


def check_record(record: dict, name: str = "registro") -> None:
    """Comprueba que un registro tiene la forma del esquema.

    Lanza:
        RecordError: con el nombre del registro y lo que le falta.
    """
    if record.get("schema") != SCHEMA:
        raise RecordError(f"{name}: esquema {record.get('schema')!r}; este programa lee el {SCHEMA}.")
    for key, kind in (_REQUIRED_GRID if is_grid(record) else _REQUIRED).items():
        if key not in record:
            raise RecordError(f"{name}: falta la clave «{key}».")
        if not isinstance(record[key], kind) or isinstance(record[key], bool):
            raise RecordError(f"{name}: «{key}» tiene un valor de tipo {type(record[key]).__name__}.")
    if is_grid(record):
        lengths = {len(values) for run in record["runs"] for values in run["history"].values()}
        if lengths != {record["epochs"]}:
            raise RecordError(
                f"{name}: hay historias de {sorted(lengths)} épocas y deben ser de {record['epochs']}."
            )
        return
    lengths = {len(values) for values in record["history"].values()}
    if len(lengths) != 1 or not lengths <= {record["config"]["epochs"]}:
        raise RecordError(
            f"{name}: la historia tiene {sorted(lengths)} épocas y la configuración, {record['config']['epochs']}."
        )
    if not 1 <= record["best_epoch"] <= record["config"]["epochs"]:
        raise RecordError(f"{name}: la mejor época ({record['best_epoch']}) no está entre las entrenadas.")


def load_record(experiment: str, seed: int | None = 0, folder: Path = RESULTS) -> dict:
    """Lee un registro y comprueba su forma. El de una rejilla se pide con `seed=None`.

    Lanza:
        RecordError: si no existe (con la orden que lo crea) o si no cumple el esquema.
    """
    path = Path(folder) / record_name(experiment, seed)
    if not path.exists():
        which, option = ("", "") if seed is None else (f" con semilla {seed}", f" --seed {seed}")
        raise RecordError(
            f"No hay registro de «{experiment}»{which}. "
            f"Para crearlo: python -m helpers.experiments run {experiment}{option}"
        )
    record = json.loads(path.read_text(encoding="utf-8"))
    check_record(record, path.name)
    return record


def load_seeds(experiment: str, folder: Path = RESULTS) -> list[dict]:
    """Todos los registros de un experimento, por orden de semilla."""
    paths = Path(folder).glob(f"{experiment}-s*.json")
    seeds = sorted(
        int(path.stem.rsplit("-s", 1)[1]) for path in paths if path.stem.rsplit("-s", 1)[0] == experiment
    )
    if not seeds:
        load_record(experiment, folder=folder)  # lanza el error que dice cómo crearlo
    return [load_record(experiment, seed, folder) for seed in seeds]


def finished_record(experiment, seed: int, folder: Path = RESULTS) -> dict | None:
    """El registro de una repetición que ya está hecha, y lo dice; None si falta.

    Argumentos:
        experiment: un `Experiment` del catálogo.

    Lanza:
        RecordError: si se hizo con otra configuración.
    """
    path = Path(folder) / record_name(experiment.name, seed)
    if not path.exists():
        return None
    record = load_record(experiment.name, seed, folder)
    if record["config"] != rounded(experiment.config()):
        raise RecordError(f"{path.name} se hizo con otra configuración. Usa --repeat para rehacerlo.")
    print(f"{path.name}: ya está hecho.", flush=True)
    return record


def write_text_atomically(path: Path, text: str) -> None:
    """Escribe un archivo entero o no lo toca: una interrupción no deja medio registro."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Lo mismo, con bytes."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def save_record(record: dict, folder: Path = RESULTS, digits: int = 6) -> Path:
    """Guarda un registro ya comprobado, con `digits` cifras significativas, y actualiza las sumas de la carpeta."""
    name = record_name(record["experiment"], record.get("seed"))
    check_record(record, name)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    # Una rejilla tiene miles de números: sin sangría ocupa la mitad.
    layout = {"separators": (",", ":")} if is_grid(record) else {"indent": 1}
    write_text_atomically(path, json.dumps(rounded(record, digits), ensure_ascii=False, **layout) + "\n")
    write_sums(folder)
    return path


def _covered_files(folder: Path) -> list[Path]:
    return sorted(p for p in Path(folder).iterdir() if p.is_file() and p.name != SUMS and p.suffix != ".tmp")


def write_sums(folder: Path = RESULTS) -> None:
    """Rehace `SHA256SUMS` con todos los archivos de la carpeta (formato de `sha256sum`)."""
    lines = [f"{file_sha256(path)}  {path.name}\n" for path in _covered_files(folder)]
    write_text_atomically(Path(folder) / SUMS, "".join(lines))


def verify(folder: Path = RESULTS) -> list[str]:
    """Comprueba sumas, esquema y pesos de toda la carpeta.

    Devuelve:
        Los problemas encontrados, cada uno con el nombre del archivo; lista vacía si todo está bien.
    """
    folder = Path(folder)
    sums = folder / SUMS
    if not sums.exists():
        return [f"{SUMS}: no existe en la carpeta de resultados."]
    listed = dict(reversed(line.split("  ", 1)) for line in sums.read_text(encoding="utf-8").splitlines())
    files = {path.name: path for path in _covered_files(folder)}
    problems = [f"{name}: está en {SUMS} y no en la carpeta." for name in listed.keys() - files.keys()]
    problems += [f"{name}: está en la carpeta y no en {SUMS}." for name in files.keys() - listed.keys()]
    for name in sorted(listed.keys() & files.keys()):
        if file_sha256(files[name]) != listed[name]:
            problems.append(
                f"{name}: su contenido no es el que se registró. Recupéralo con: git checkout -- book/results/{name}"
            )
    for name, path in files.items():
        if path.suffix != ".json":
            continue
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            check_record(record, name)
        except ValueError as error:
            problems.append(
                str(error) if isinstance(error, RecordError) else f"{name}: no es JSON válido ({error})."
            )
            continue
        if name != record_name(record["experiment"], record.get("seed")):
            problems.append(f"{name}: dice ser {record_name(record['experiment'], record.get('seed'))}.")
        for key, what in (("weights", "los pesos"), ("probabilities", "las probabilidades")):
            kept = record.get(key)
            if kept and (kept["file"] not in files or file_sha256(files[kept["file"]]) != kept["sha256"]):
                problems.append(f"{kept['file']}: no son {what} que registró {name}.")
    total = sum(path.stat().st_size for path in files.values())
    if total > MAX_BYTES:
        problems.append(f"La carpeta ocupa {total} bytes; el límite es {MAX_BYTES}.")
    return problems


def all_records(folder: Path = RESULTS) -> list[dict]:
    """Todas las ejecuciones de la carpeta, sin las rejillas, por nombre de experimento y semilla."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in Path(folder).glob("*.json")]
    found = [record for record in found if not is_grid(record)]
    return sorted(found, key=lambda record: (record["experiment"], record["seed"]))


def markdown_table(folder: Path = RESULTS) -> str:
    """Una fila por ejecución: qué, semilla, mejor época, exactitudes, segundos y la orden que la repite."""
    rows = [
        "| experimento | semilla | parámetros | mejor época | exactitud (validación) | exactitud (prueba) "
        "| pérdida (prueba) | segundos | orden |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for r in all_records(folder):
        validation, test = r["best"]["validation"], r["best"]["test"]
        rows.append(
            f"| {r['experiment']} | {r['seed']} | {r['parameters']} | {r['best_epoch']} de {r['config']['epochs']} "
            f"| {validation['accuracy']:.3f} | {test['accuracy']:.3f} | {test['loss']:.3f} "
            f"| {r['seconds']['wall']:.0f} | `{r['command']}` |"
        )
    return "\n".join(rows)
