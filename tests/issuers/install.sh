#!/usr/bin/env bash
# Installs the issuers of tests/it/issuers, in the versions that stand here, into a folder outside of the checkout, unless
# they are there. Needs Node.js 18 or later with npm, and Python 3.11 or later with venv.
#
#     tests/issuers/install.sh FOLDER
set -euo pipefail

here=$(realpath "$(dirname "$0")")
mkdir -p "$1"
cd "$1"

if ! cmp -s "$here/oidc-provider/package-lock.json" oidc-provider/installed; then
    rm -rf oidc-provider
    mkdir oidc-provider
    cp "$here"/oidc-provider/package*.json oidc-provider
    npm ci --prefix oidc-provider --ignore-scripts --no-audit --no-fund --loglevel error
    cp "$here/oidc-provider/package-lock.json" oidc-provider/installed
fi

if ! cmp -s "$here/simplejwt/requirements.txt" simplejwt/installed; then
    rm -rf simplejwt
    python3 -m venv simplejwt
    simplejwt/bin/pip install --quiet --no-deps --requirement "$here/simplejwt/requirements.txt"
    cp "$here/simplejwt/requirements.txt" simplejwt/installed
fi
