#!/usr/bin/env bash
# Installs what the clients beside need, in the versions that stand here, into a folder outside of the checkout, unless it
# is there, and the clients with it. Needs Node.js 20 or later with npm, and Python 3.11 or later with venv.
#
#     tests/clients/install.sh FOLDER
#
# Then FOLDER/python/bin/python runs FOLDER/python/*.py, and node runs FOLDER/node/*.mjs.
set -euo pipefail

here=$(realpath "$(dirname "$0")")
mkdir -p "$1"
cd "$1"

if ! cmp -s "$here/package-lock.json" node/installed; then
    rm -rf node
    mkdir node
    cp "$here"/package*.json node
    npm ci --prefix node --ignore-scripts --no-audit --no-fund --loglevel error
    cp "$here/package-lock.json" node/installed
fi
# A module is looked for from where the file is that asks for it.
cp "$here"/*.mjs node

if ! cmp -s "$here/requirements.txt" python/installed; then
    rm -rf python
    python3 -m venv python
    python/bin/pip install --quiet --no-deps --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" python/installed
fi
cp "$here"/*.py python
