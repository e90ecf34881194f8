"""The ledger of a folder."""
