# Puts the Handlewatch collector on this machine, as a task that starts with it. Run it as administrator or SYSTEM; again to upgrade.
$ErrorActionPreference = 'Stop'
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor 3072  # TLS 1.2
$server = '@SERVER@'; $file = '@FILE@'; $sha256 = '@SHA256@'
$folder = (New-Item -ItemType Directory (Join-Path $env:ProgramFiles "Handlewatch setup $([guid]::NewGuid())")).FullName
try {
    (New-Object Net.WebClient).DownloadFile("$server/downloads/$file", "$folder\$file")
    if ((Get-FileHash "$folder\$file" -Algorithm SHA256).Hash -ne $sha256) { throw "$file is not what this script belongs to: fetch the script again" }
    if (-not (Get-Command py -ErrorAction SilentlyContinue)) { throw 'no Python here: install the 64-bit one of python.org for all users, or run "handlewatch downloads build" on the server' }
    & py -3 "$folder\$file" install --server $server
    if ($LASTEXITCODE) { throw "handlewatch-collector install failed (exit code $LASTEXITCODE); what it says above tells what to do" }
} finally { Remove-Item $folder -Recurse -Force }
