"""The analysis core: pure functions from captured data to statistics, findings and a verdict."""
