"""The registry: what an endpoint file may say, and windows. Pure: pydantic, yaml and the standard library."""
