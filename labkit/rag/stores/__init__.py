"""Where vectors are kept and compared: numpy in this process, Qdrant, PostgreSQL with pgvector. Same questions, same passages."""

from .base import Entry, VectorStore, Where, check_where, matches, nearest
from .memory import NumpyStore
from .postgres import PostgresStore
from .qdrant import QdrantStore

__all__ = ["Entry", "NumpyStore", "PostgresStore", "QdrantStore", "VectorStore", "Where", "check_where", "matches", "nearest"]
