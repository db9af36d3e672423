#!/bin/sh
# Writes SeaweedFS's identities from the environment: each key has full access to its own bucket and no other.
set -eu
umask 077
for name in MLFLOW_ACCESS_KEY MLFLOW_SECRET_KEY RUNS_ACCESS_KEY RUNS_SECRET_KEY; do
    eval "value=\${$name:-}"
    case "$value" in
        "") echo "$name is empty; fill it in s3-mlflow.env or s3-runs.env" >&2; exit 1 ;;
        *[\"\\]*) echo "$name contains a quote or a backslash, which SeaweedFS cannot read; change it" >&2; exit 1 ;;
    esac
done

identity() { # NAME (also the bucket's name) ACCESS_KEY SECRET_KEY
    printf '{"name": "%s", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": ["Admin:%s"]}' \
        "$1" "$2" "$3" "$1"
}

printf '{"identities": [%s, %s]}\n' "$(identity mlflow "$MLFLOW_ACCESS_KEY" "$MLFLOW_SECRET_KEY")" \
    "$(identity merflow "$RUNS_ACCESS_KEY" "$RUNS_SECRET_KEY")" > "$IDENTITIES"
