"""The peak memory of this process."""

from pathlib import Path


def peak_mb() -> float:
    """Return the peak memory of this process, in MB, including mapped files."""
    # getrusage starts from the memory of the parent process.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
