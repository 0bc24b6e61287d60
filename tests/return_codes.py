"""List the documented return codes by kind. This shares no code with what the tests check."""

#: Second-hand are 21, 24 and 25.
ACCEPTED = {1}
LOGIN = {3, 12, 17}
ACCOUNT = {2, 7, 18, 19, 20, 21, 25}
CREDIT = {4, 13, 14}
MESSAGE = {5, 6, 10, 16, 22}
RECIPIENT = {8, 9, 23, 24}
REQUEST = {15}
UNCERTAIN = {11}
#: Codes that the document does not have, and is not likely to get.
UNKNOWN = {0, 77, 99, -1}
