"""`python -m gan_utils.exercises students` makes their notebooks; `grade FOLDER` makes grades."""

import argparse
from pathlib import Path

from gan_utils.exercises import grading, versions


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m gan_utils.exercises")
    commands = parser.add_subparsers(dest="command", required=True)
    students = commands.add_parser(
        "students", help="make notebooks/exercises from notebooks/solutions"
    )
    students.add_argument("folder", nargs="?", default="notebooks", help="with `solutions` in it")
    grade = commands.add_parser("grade", help="test all submission_*.json again; writes grades.csv")
    grade.add_argument("folder")
    grade.add_argument("--workers", type=int, default=2, help="submissions at once")
    rerun = commands.add_parser("rerun", help="one submission, within its process; used by grade")
    rerun.add_argument("file")
    arguments = parser.parse_args()
    if arguments.command == "students":
        versions.write_all(Path(arguments.folder))
    elif arguments.command == "grade":
        print(grading.grade(Path(arguments.folder), arguments.workers))
    else:
        grading.rerun(Path(arguments.file))


if __name__ == "__main__":
    main()
