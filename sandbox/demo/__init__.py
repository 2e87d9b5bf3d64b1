"""The demo: starts the sandbox and a real Airflow, plays a scene in them, shows what came of it."""
