"""The analysis beside its limits and its peers, as whole processes, in one run."""
