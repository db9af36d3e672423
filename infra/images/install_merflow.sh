#!/bin/sh
# Installs merflow into /opt/added, which the image lays over /opt/merflow, and writes the SBOM there.
#   install_merflow.sh DIGEST   (the expected digest of merflow's code; empty to skip the check)
set -eu
expected=$1
PATH=/build/tools/bin:$PATH
export PATH PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .
pip --python /opt/merflow/bin/python install --quiet --no-deps --no-compile --prefix /opt/added dist/*.whl
/opt/merflow/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/added/lib
cp -R /opt/added/. /opt/merflow/
pip --python /opt/merflow/bin/python check

found=$(/opt/merflow/bin/python -c 'from merflow.runs.whole_code import whole_code_digest; print(whole_code_digest())')
if [ -n "$expected" ] && [ "$found" != "$expected" ]; then
    echo "the code in the image has the digest $found, not $expected; to build this code, set CODE_DIGEST=$found" >&2
    exit 1
fi

cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-format JSON \
    --output-file /opt/added/sbom.cdx.json /opt/merflow/bin/python
