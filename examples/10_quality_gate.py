"""A task that can only be completed when the project's checks pass: all at once, on the files that changed.

python examples/10_quality_gate.py
"""

import sys
import tempfile
from pathlib import Path

from mdcoord import Workspace
from mdcoord.errors import GateNotPassed

# Without these lines the commands are found from the project's files and the tools installed (ruff, mypy,
# pytest …). A list is a program with its arguments, a text is for the shell; {files} are the changed files.
SETTINGS = f"""\
project:
  lint_command: [{sys.executable}, -m, compileall, -q, "{{files}}"]
  test_command: {sys.executable} test.py
"""

with tempfile.TemporaryDirectory() as folder:
    project, code = Path(folder), Path(folder, "double.py")
    (project / ".claude").mkdir()
    (project / ".claude/workflow-config.yml").write_text(SETTINGS)
    (project / "test.py").write_text("from double import double\nassert double(2) == 4\n")
    code.write_text("def double(x):\n    return 2 * \n")

    with Workspace.create(folder, agent="developer") as w:
        w.tasks.create("Double numbers", id="double", fields={"quality": "required"})

        with w.tasks.claim("double") as claim:
            # While working, one check of one file:
            print("first look:", w.quality.run([code], only=["lint"]).verdict)
            code.write_text("def double(x):\n    return 2 * x\n")
            print("second look:", w.quality.run([code], only=["lint"]).verdict)

            try:
                claim.complete()
            except GateNotPassed as error:
                print("refused:", error.message)

            # All checks, recorded for this attempt of the task. What cannot be run is never called passed.
            for result in w.quality.run(task="double").results:
                print(f"  {result.check}: {result.status}  {result.note}".rstrip())
            print("completed:", claim.complete().status)

        report = w.quality.show("double")
        print(report.path and Path(report.path).name, report.data["verdict"])

# It prints:
#   first look: failed
#   second look: passed
#   refused: task-double cannot be completed: it has not been checked in this attempt
#     lint: passed
#     types: skipped  the project's type is not known; set quality.types
#     tests: passed
#     security: skipped  the project's type is not known; set quality.security
#     complexity: skipped  the project's type is not known; set quality.complexity
#   completed: completed
#   context-quality-double.md passed
