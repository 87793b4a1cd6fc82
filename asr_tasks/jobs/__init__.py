"""Batch jobs as they lie in Redis: one Lua script a change.

Who may die where, and what then (RabbitMQ keeps what is not acknowledged and gives it to another
worker; every script may be run again):

=========================================  =====================================================
dies after                                 what then
=========================================  =====================================================
``create``, before the job's message       the caretaker finds a job that stands still, and
                                           sends its message
the message, before ``create`` is on disk  the message carries the request: the job is kept
                                           again by whoever begins it
``begin``, before the first cut is sent    the message comes again; ``begin`` answers where to
                                           go on
``cut``, before its pieces are sent        the message comes again; the stretch is cut already,
                                           so its pieces are sent from the record
pieces were sent twice                     ``hear`` keeps the first telling of each
``hear``, before the join is sent          the message comes again; ``hear`` says "complete"
                                           again
the transcript's file was written,         it is written again: the same, and whole
before ``finish``
``finish``, before Celery's result is set  the message comes again; the job is over, so its
                                           result is set from the record
Redis lost its last second, and in it the  a second message, which is looked at some seconds
job itself, whatever was acknowledged      after the first, begins the job anew
Redis lost its last second                 a piece that was heard, or cut, is missing: the job
                                           stands still, the caretaker sends what is missing
=========================================  =====================================================

A short recording is begun, cut, heard and joined in one run of ``transcribe`` (or of ``cut``): no
message is sent in between, and the one that began the run is acknowledged at its end.

=========================================  =====================================================
dies after                                 what then
=========================================  =====================================================
``begin``                                  the message comes again; the recording is looked at
                                           again, and cut
``cut``                                    the message comes again; the pieces are read from the
                                           record, those that are not heard are heard
``try``                                    the same; the try is counted, so its pieces are heard
                                           one by one: the third death of one ends the job
``hear``                                   the same; nothing is left to hear, it is joined
``finish``                                 as above
Redis or the source away for a while       ``transcribe`` sends ``cut``, which goes on from the
                                           record, and is tried again until it can
=========================================  =====================================================
"""
