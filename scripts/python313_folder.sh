#!/usr/bin/env bash
# Prints the folder of a working python3.13: from PATH, else from pyenv. Silent and exit code 1 where there is none.
# `sam build` needs that very version on PATH: bytecode is only good for the version that made it.
set -euo pipefail
shopt -s nullglob

# A pyenv shim answers to the name and then fails, so each candidate has to run.
for candidate in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do
    if folder=$("$candidate" -c 'import os, sys; print(os.path.dirname(sys.executable))' 2>/dev/null); then
        echo "$folder"
        exit 0
    fi
done
exit 1
