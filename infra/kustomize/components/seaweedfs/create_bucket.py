"""Creation of the bucket that the environment names, with its owner's key; an existing bucket stays."""

import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client(
    "s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=Config(retries={"max_attempts": 10, "mode": "standard"})
)
bucket = os.environ["BUCKET"]
try:
    client.create_bucket(Bucket=bucket)
except ClientError as problem:
    if problem.response["Error"]["Code"] not in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
        sys.exit(f"bucket {bucket}: {problem}")
client.list_objects_v2(Bucket=bucket, MaxKeys=1)
