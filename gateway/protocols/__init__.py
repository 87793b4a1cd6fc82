"""One file per wire protocol; all of them speak to :class:`gateway.session.Session`."""
