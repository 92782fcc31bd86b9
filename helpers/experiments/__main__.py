"""Órdenes: `python -m helpers.experiments list | run NOMBRE… | predict NOMBRE… | verify | compare CARPETA | table`."""

import argparse
import sys
from pathlib import Path

from helpers.experiments import comparison, records


def _list(args) -> int:
    from helpers.experiments.catalogue import CATALOGUE, GRID

    for experiment in CATALOGUE.values():
        done = [
            s for s in experiment.seeds if (args.folder / records.record_name(experiment.name, s)).exists()
        ]
        print(f"{experiment.name:32} {len(done)}/{len(experiment.seeds)} semillas   {experiment.title}")
    grid_done = int((args.folder / records.record_name(GRID.name, None)).exists())
    print(f"{GRID.name:32} {grid_done}/1 rejilla    {GRID.title}")
    return 0


def _run(args) -> int:
    from helpers.experiments.catalogue import Grid, find_experiment

    try:
        experiments = [find_experiment(name) for name in args.names]
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    if args.ray:
        return _run_on_cluster(args, experiments)

    from helpers.experiments.grid import run_grid
    from helpers.experiments.runner import run

    for experiment in experiments:
        if isinstance(experiment, Grid):
            run_grid(experiment, folder=args.folder, repeat=args.repeat)
            continue
        for seed in args.seed or experiment.seeds:
            run(experiment, seed, folder=args.folder, repeat=args.repeat, alone=args.alone)
    return 0


def _run_on_cluster(args, experiments) -> int:
    from helpers.experiments.cluster import ClusterError, run_on_cluster

    if args.alone:
        print(
            "--alone y --ray no van juntos: los segundos de varias ejecuciones a la vez no se pueden comparar.",
            file=sys.stderr,
        )
        return 2
    try:
        failed = run_on_cluster(
            experiments, args.ray, seeds=args.seed, folder=args.folder, repeat=args.repeat
        )
    except (ClusterError, records.RecordError) as error:
        print(error, file=sys.stderr)
        return 2
    if failed:
        print(f"Fallaron {len(failed)}: {'; '.join(failed)}. La misma orden repite solo esas.", file=sys.stderr)
    return int(bool(failed))


def _predict(args) -> int:
    from helpers.experiments.catalogue import CATALOGUE
    from helpers.experiments.predictions import rebuild_predictions

    known = {name: e for name, e in CATALOGUE.items() if e.keep_probabilities}
    for name in args.names:
        if name not in known:
            print(f"«{name}» no guarda probabilidades. Las guardan: {', '.join(known)}.", file=sys.stderr)
            return 2
        for seed in args.seed or known[name].keep_probabilities:
            record = rebuild_predictions(known[name], seed, args.folder)
            print(f"{record['probabilities']['file']}: hecho con {record['weights']['file']}.")
    return 0


def _verify(args) -> int:
    problems = records.verify(args.folder)
    print("\n".join(problems) or "Todos los registros coinciden con sus sumas.")
    return bool(problems)


def _compare(args) -> int:
    try:
        differences = comparison.compare_folders(args.repeated, args.folder, args.tolerance)
    except records.RecordError as error:
        print(error, file=sys.stderr)
        return 2
    print(comparison.markdown(differences))
    return int(any(difference.problems for difference in differences))


def _table(args) -> int:
    print(records.markdown_table(args.folder))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Punto de entrada; devuelve el código de salida."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.experiments", description="Experimentos registrados del libro."
    )
    parser.add_argument("--folder", type=Path, default=records.RESULTS, help="carpeta de los registros")
    commands = parser.add_subparsers(required=True, metavar="ORDEN")
    commands.add_parser("list", help="lista los experimentos y cuántas semillas están hechas").set_defaults(
        do=_list
    )
    run = commands.add_parser("run", help="ejecuta experimentos; lo ya hecho no se repite")
    run.add_argument("names", nargs="+", metavar="NOMBRE")
    run.add_argument("--seed", type=int, action="append", help="solo esta semilla (se puede repetir)")
    run.add_argument("--repeat", action="store_true", help="vuelve a ejecutar aunque el registro exista")
    run.add_argument(
        "--alone", action="store_true", help="anota que la máquina no hacía otra cosa: sus segundos valen"
    )
    run.add_argument(
        "--ray",
        metavar="DIRECCIÓN",
        help="reparte las ejecuciones en un clúster de Ray: local (dos procesos aquí), auto, HOST:6379 o ray://HOST:10001",
    )
    run.set_defaults(do=_run)
    predict = commands.add_parser("predict", help="rehace las probabilidades guardadas desde sus pesos")
    predict.add_argument("names", nargs="+", metavar="NOMBRE")
    predict.add_argument("--seed", type=int, action="append", help="solo esta semilla (se puede repetir)")
    predict.set_defaults(do=_predict)
    commands.add_parser("verify", help="comprueba sumas y forma de los registros").set_defaults(do=_verify)
    compare = commands.add_parser(
        "compare", help="compara las ejecuciones de otra carpeta con las registradas"
    )
    compare.add_argument("repeated", type=Path, metavar="CARPETA")
    compare.add_argument(
        "--tolerance", type=float, default=comparison.TOLERANCE, help="diferencia de exactitud admitida"
    )
    compare.set_defaults(do=_compare)
    commands.add_parser("table", help="imprime una tabla Markdown con todas las ejecuciones").set_defaults(
        do=_table
    )
    args = parser.parse_args(argv)
    return args.do(args)


if __name__ == "__main__":
    sys.exit(main())
