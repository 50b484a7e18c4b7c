"""`ibhelm export`: everything of one project in a folder or a ZIP that opens in any browser, without us, in ten years.

    run        one export from its beginning to its end, and what is said of it
    project    which project is meant
    target     the folder or the ZIP: whole under its name, or not there
    book       where everything lies in this export, on disk: memory does not grow with the project
    naming     names that Windows takes, each once
    originals  files, previews and attachments out of the object store, verified
    files, mails, messages, tasks, people, timeline, summary    one kind of content each: its pages, its CSV
    paging, pages, sheets    HTML in pages of bounded length, from templates/; CSV for a German Excel

Invariants: what is named in the index is there and holds what it should; what could not be had is named, with the
reason. Nothing that a stranger wrote is obeyed by a browser, a spreadsheet or a disk. No page needs a network or a
script. Only the time of the export makes two exports of the same things differ.
"""
