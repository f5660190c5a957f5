"""Write anew what both clients have from the API's contract, docs/openapi.json.

    python clients/regenerate.py

TypeScript's types need npm, and what clients/typescript/package-lock.json pins, which is installed where it lacks.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent


def main() -> int:
    """Write both; end with the first failure."""
    typescript = HERE / "typescript"
    commands = [[sys.executable, str(HERE / "python" / "generate.py")]]
    if not (typescript / "node_modules").is_dir():
        commands.append(["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(typescript)])
    commands.append(["npm", "run", "generate", "--prefix", str(typescript)])
    for command in commands:
        status = subprocess.call(command)
        if status:
            return status
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
