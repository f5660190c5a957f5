"""The admin's two looks at images: all of them, and those that wait for a decision."""

from captions.models.image import Image


class DraftToReview(Image):
    """An image in state `draft`, as the admin's review queue lists it; the same row as Image."""

    class Meta:
        proxy = True
        verbose_name = "draft to review"
        verbose_name_plural = "drafts to review"
        default_permissions = ()
