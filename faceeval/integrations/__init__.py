# SPDX-License-Identifier: MIT
"""Our metrics in other libraries' clothes. Each module needs the library it is named after."""
