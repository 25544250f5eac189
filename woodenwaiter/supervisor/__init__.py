"""The supervisor: forks, reaps, keeps time, drains. ``python -m`` runs one for an application."""
