"""``foldwatch top``: runs in a terminal. A source gives states, pure functions make lines of them, an application shows those."""
