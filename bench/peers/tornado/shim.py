"""What tornado 5 still expects of Python, and Python 3.10 took away. To be imported before tornado."""

import collections
import collections.abc

collections.MutableMapping = collections.abc.MutableMapping
