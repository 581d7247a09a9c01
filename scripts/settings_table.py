"""The README's table of settings, made from the template's parameters so that the two cannot differ."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from local.__main__ import PARAMETER_OF
from scripts.sam_template import TEMPLATE, Template, read

README = TEMPLATE.parent / "README.md"
START, END = "<!-- settings:start -->", "<!-- settings:end -->"


def table(template: Template) -> str:
    """The parameters as a Markdown table, in the order in which `sam deploy --guided` asks for them."""
    variable_of = {parameter: variable for variable, parameter in PARAMETER_OF.items()}
    rows = ["| Template parameter | Environment variable | Default | Meaning |", "|---|---|---|---|"]
    for name, parameter in template["Parameters"].items():
        variable = f"`{variable_of[name]}`" if name in variable_of else "–"
        meaning = _escaped(parameter["Description"])
        choices = parameter.get("AllowedValues", [])
        if len(choices) < 5 and not all(str(choice) in meaning for choice in choices):
            meaning += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
        rows.append(f"| `{name}` | {variable} | {_default(parameter)} | {meaning} |")
    return "\n".join(rows)


def _default(parameter: dict[str, object]) -> str:
    if "Default" not in parameter:
        return "required"
    return f"`{parameter['Default']}`" if parameter["Default"] != "" else "empty"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def between_markers(readme: str) -> str:
    """What the README has between the markers; raises ValueError when they are missing."""
    return readme[readme.index(START) + len(START) : readme.index(END)].strip()


def main() -> int:
    """Command line: prints the table, or with --write puts it between the README's markers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write it into the README")
    parser.add_argument("--readme", type=Path, default=README)
    arguments = parser.parse_args()
    made = table(read())
    if not arguments.write:
        print(made)
        return 0
    text = arguments.readme.read_text(encoding="utf-8")
    head, rest = text.split(START, 1)
    tail = rest.split(END, 1)[1]
    arguments.readme.write_text(f"{head}{START}\n{made}\n{END}{tail}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
