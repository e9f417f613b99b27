"""The visible checks, one module an exercise (exNN.py): what a learner may read, and what `lab.check` runs."""
