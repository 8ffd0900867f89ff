"""One evaluation, from a poisoner and a track to a record: the conductor, its stages, cells, store and engines."""
