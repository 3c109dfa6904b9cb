"""Creates the buckets of artifacts, datasets and logs of tasks if they do not exist.

Idempotent: it runs at every start.
"""

import os
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

_ADDRESSES = ("MLFLOW_ARTIFACTS_DESTINATION", "DATASETS_URL", "TASK_LOGS_URL")


def main() -> None:
    """Create the bucket that each address names, if it names one."""
    client = boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL"))
    addresses = [urlsplit(os.environ.get(variable, "")) for variable in _ADDRESSES]
    for bucket in dict.fromkeys(one.netloc for one in addresses if one.scheme == "s3"):
        print(f"Bucket {bucket} {'created' if _create(client, bucket) else 'exists'}")


def _create(client: Any, bucket: str) -> bool:
    """Create a bucket; return False if it exists."""
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        region = client.meta.region_name
        # Amazon requires the region, except for us-east-1, which it rejects.
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else elsewhere))
        return True
    return False


if __name__ == "__main__":
    main()
