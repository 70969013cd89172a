"""`python -m tests.workflows.approve`: write the matrices as they are now; read the difference before committing it."""

from __future__ import annotations

from pathlib import Path

from app.workflow import REGISTRY
from app.workflow.show import matrix

if __name__ == "__main__":
    for name, machine in REGISTRY.items():
        file = Path(__file__).with_name(f"{name}.approved.md")
        text = matrix(machine)
        changed = not file.exists() or file.read_text(encoding="utf-8") != text
        file.write_text(text, encoding="utf-8")
        print(f"{'changed  ' if changed else 'unchanged'} {file.name}")
