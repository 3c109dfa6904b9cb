"""Creates the artifact bucket if it does not exist. Idempotent: it runs at every start."""

import os
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError


def main() -> None:
    """Create the bucket that `MLFLOW_ARTIFACTS_DESTINATION` names, if it names one."""
    destination = urlsplit(os.environ["MLFLOW_ARTIFACTS_DESTINATION"])
    if destination.scheme != "s3":
        print(f"{destination.geturl()} is not a bucket: nothing to create")
        return
    client = boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL"))
    bucket = destination.netloc
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        region = client.meta.region_name
        # Amazon requires the region, except for us-east-1, which it rejects.
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else elsewhere))
        print(f"Bucket {bucket} created")
    else:
        print(f"Bucket {bucket} exists")


if __name__ == "__main__":
    main()
