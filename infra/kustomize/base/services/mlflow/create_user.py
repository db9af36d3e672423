"""Creation of the pipelines' MLflow user, who is not an administrator; an existing user gets the password."""

import base64
import json
import os
import sys
import urllib.error
import urllib.request


def call(method: str, command: str, fields: dict[str, str]) -> int:
    """Send a request as the administrator; return the HTTP status of the answer."""
    admin = f"{os.environ['MLFLOW_AUTH_ADMIN_USERNAME']}:{os.environ['MLFLOW_AUTH_ADMIN_PASSWORD']}"
    request = urllib.request.Request(
        f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/users/{command}",
        method=method,
        data=json.dumps(fields).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Basic {base64.b64encode(admin.encode()).decode()}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def main() -> int:
    """Create the user or set its password; return 0 on success, 1 if the server refused."""
    user = {
        "username": os.environ["MLFLOW_TRACKING_USERNAME"],
        "password": os.environ["MLFLOW_TRACKING_PASSWORD"],
    }
    created = call("POST", "create", user)
    status = call("PATCH", "update-password", user) if created == 400 else created
    if status != 200:
        sys.stderr.write(f"MLflow answered {status}; check that MLFLOW_AUTH_ADMIN_PASSWORD is correct\n")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
