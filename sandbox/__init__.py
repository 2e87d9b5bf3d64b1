"""The sandbox: emulated AWS on one loopback port, endpoints that really answer, traffic that really happened.

Never deployed, and unknown to the product: to Watchkeeper it is only an endpoint URL in the environment.
It runs in an environment of its own (``.venv-sandbox``, pinned in ``sandbox/constraints.txt``).

- ``python -m sandbox serve``     moto and ministack behind one port, with the overlays neither has
- ``python -m sandbox deploy``    bucket, topic, queue, trained models, endpoints, baseline datasets
- ``python -m sandbox replay``    two days of real traffic: captures, predictions, Invocations metrics
- ``python -m sandbox expected``  what a monitor must find in that traffic, window by window
"""
