"""`python -m worker`: run one caption worker under its supervisor."""

from worker.supervisor import supervise

if __name__ == "__main__":
    supervise()
