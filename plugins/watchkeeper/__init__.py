"""Watchkeeper: model monitoring for Amazon SageMaker, run by Apache Airflow."""

__version__ = "0.1.0"
