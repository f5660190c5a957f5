"""`python -m tests.faults.supervised`: the product's supervisor over a worker with the scripted captioner."""

from worker.supervisor import supervise

if __name__ == "__main__":
    supervise("tests.faults.scripted_app")
