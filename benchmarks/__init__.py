"""How fast, how light and how safe the pool is, beside plain loops and other systems.

``python -m benchmarks`` from the project's root; ``--help`` says more. One module per question; a
system to compare with is one short file in `peers`.
"""
