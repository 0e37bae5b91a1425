"""The description of the API as a page of our own: nothing is loaded from anywhere else."""

import html
from typing import Any

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>VieComRec API</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem }}
table {{ border-collapse: collapse; width: 100% }}
td {{ border-top: 1px solid #ccc; padding: .4rem .6rem .4rem 0; vertical-align: top }}
code {{ white-space: nowrap }}
</style></head><body>
<h1>VieComRec API</h1>
<p>Version {version}. With every field: <a href="openapi.json">openapi.json</a> (OpenAPI {openapi};
any client generator or API tool reads it).</p>
<table>{rows}</table>
</body></html>
"""
_ROW = "<tr><td>{method}</td><td><code>{path}</code></td><td>{text}</td></tr>"


def docs_page(description: dict[str, Any]) -> str:
    """One row for each address of an OpenAPI description."""
    rows = [
        _ROW.format(
            method=method.upper(),
            path=html.escape(path),
            text=html.escape(operation.get("description") or operation.get("summary", "")),
        )
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]
    return _PAGE.format(
        version=html.escape(description["info"]["version"]),
        openapi=html.escape(description["openapi"]),
        rows="".join(rows),
    )
