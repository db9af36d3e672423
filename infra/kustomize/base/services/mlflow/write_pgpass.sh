#!/bin/sh
# Writes libpq's password file from the environment. This keeps passwords out of URLs, command lines and git, and lets
# them contain any character.
set -eu
umask 077
: "${MLFLOW_PASSWORD:?is empty; fill it in postgres.env}"
: "${MLFLOW_AUTH_PASSWORD:?is empty; fill it in postgres.env}"

escape() {
    printf '%s' "$1" | sed 's/[\\:]/\\&/g'
}

printf '*:*:mlflow:mlflow:%s\n*:*:mlflow_auth:mlflow_auth:%s\n' \
    "$(escape "$MLFLOW_PASSWORD")" "$(escape "$MLFLOW_AUTH_PASSWORD")" > "$PGPASSFILE"
