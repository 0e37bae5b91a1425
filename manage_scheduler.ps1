<#
.SYNOPSIS
    Starts, stops and shows the VieComRec scheduler.
.DESCRIPTION
    A short name for `python -m automation.scheduler`, which does the work on every platform.
.EXAMPLE
    .\manage_scheduler.ps1 start -Background
.EXAMPLE
    .\manage_scheduler.ps1 status
.EXAMPLE
    .\manage_scheduler.ps1 logs -Task data_refresh -Follow
.EXAMPLE
    .\manage_scheduler.ps1 run model_training
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet("start", "stop", "restart", "status", "logs", "run", "enable", "disable")]
    [string]$Command = "status",

    [Parameter(Position = 1)]
    [string]$Job,

    [switch]$Background,
    [switch]$Follow,
    [string]$Task,
    [int]$Lines = 50,
    [switch]$Json
)

$folder = Split-Path -Parent $MyInvocation.MyCommand.Path
$python = @(
    (Join-Path $folder ".venv\Scripts\python.exe"),
    (Join-Path $folder ".venv/bin/python")
) | Where-Object { Test-Path $_ } | Select-Object -First 1
if (-not $python) { $python = "python" }

$arguments = @("-m", "automation.scheduler", $Command)
if ($Command -in "run", "enable", "disable") {
    if (-not $Job) {
        [Console]::Error.WriteLine("$Command needs the name of a job.")
        exit 2
    }
    $arguments += $Job
}
if ($Background -and $Command -in "start", "restart") { $arguments += "--background" }
if ($Command -eq "logs") {
    $arguments += @("--lines", $Lines)
    if ($Task) { $arguments += @("--task", $Task) }
    if ($Follow) { $arguments += "--follow" }
}
if ($Json -and $Command -eq "status") { $arguments += "--json" }

$project = if ($env:PROJECT_DIR) { $env:PROJECT_DIR } else { $folder }
$previous = $env:PYTHONPATH
$env:PYTHONPATH = (@($folder, $previous) | Where-Object { $_ }) -join [IO.Path]::PathSeparator
Push-Location $project
try {
    & $python @arguments
    $code = $LASTEXITCODE
}
finally {
    Pop-Location
    $env:PYTHONPATH = $previous
}
exit $code
