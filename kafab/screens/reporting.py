"""Where a report was written, and what it says first."""

from pathlib import Path

from kafab.reporting.document import document
from kafab.reporting.hiding import hidden
from kafab.reporting.page import Page
from kafab.screens.console import Console


def show_report(console: Console, page: Page, file: Path) -> None:
    """Write the verdict and the file's name; or the page as a document."""
    verdict = page.verdict
    lines = [f"{page.cluster}: {verdict.severity} ({verdict.text})", *(f"  {one}" for one in verdict.reasons)]
    console.data(document(hidden(page)) | {"file": str(file)}, "\n".join([*lines, f"report: {file}"]))
