"""What a message says: from the facts in ``Content`` to ``Rendered``, one module per kind of channel.

Every text of an alert is hostile input. It is cut and cleaned (``wording``), chosen (``excerpt``), and only
then laid out; no renderer touches a raw label. The same Content always gives the same output: all times come
from it, none from a clock.
"""
